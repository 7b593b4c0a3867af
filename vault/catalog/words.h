#pragma once

#include <string_view>
#include <utility>

#include "vault/catalog/manifest.h"

// The words of a manifest and what they mean; reader and writers share the tables.
namespace televault::catalog::words {

template <class E>
using Word = std::pair<std::string_view, E>;

inline constexpr Word<FieldClass> kFieldClass[] = {
    {"public", FieldClass::kPublic},           {"technical", FieldClass::kTechnical},
    {"interaction", FieldClass::kInteraction}, {"identifier", FieldClass::kIdentifier},
    {"personal", FieldClass::kPersonal},       {"special", FieldClass::kSpecial}};
inline constexpr Word<LegalBasis> kLegalBasis[] = {
    {"consent", LegalBasis::kConsent},
    {"legitimate_interest", LegalBasis::kLegitimateInterest},
    {"contract", LegalBasis::kContract},
    {"legal_obligation", LegalBasis::kLegalObligation},
    {"no_personal_data", LegalBasis::kNoPersonalData}};
inline constexpr Word<PersonalData> kPersonalData[] = {
    {"none", PersonalData::kNone},
    {"pseudonymous", PersonalData::kPseudonymous},
    {"personal", PersonalData::kPersonal},
    {"special", PersonalData::kSpecial}};
inline constexpr Word<Location> kLocation[] = {{"none", Location::kNone},
                                               {"country", Location::kCountry},
                                               {"region", Location::kRegion},
                                               {"city", Location::kCity},
                                               {"precise", Location::kPrecise}};
inline constexpr Word<UndeclaredFields> kUndeclared[] = {
    {"reject_record", UndeclaredFields::kRejectRecord},
    {"drop_field", UndeclaredFields::kDropField}};
inline constexpr Word<OutOfRange> kOutOfRange[] = {{"clamp", OutOfRange::kClamp},
                                                   {"reject", OutOfRange::kReject}};
inline constexpr Word<SubjectTreatment> kTreatment[] = {
    {"keyed_hash", SubjectTreatment::kKeyedHash}, {"none", SubjectTreatment::kNone}};
inline constexpr Word<Collection> kCollection[] = {{"home_grown", Collection::kHomeGrown},
                                                   {"third_party", Collection::kThirdParty}};
inline constexpr Word<Protocol> kProtocol[] = {{"native", Protocol::kNative},
                                               {"otlp", Protocol::kOtlp},
                                               {"json", Protocol::kJson},
                                               {"ndjson", Protocol::kNdjson},
                                               {"csv", Protocol::kCsv}};
inline constexpr Word<RoleMode> kRoleMode[] = {
    {"aggregate", RoleMode::kAggregate}, {"rows", RoleMode::kRows}, {"dp", RoleMode::kDp}};
inline constexpr Word<OptModel> kOptModel[] = {{"opt_in", OptModel::kOptIn},
                                               {"opt_out", OptModel::kOptOut}};
inline constexpr Word<DoNotTrack> kDoNotTrack[] = {{"true", DoNotTrack::kDropRecord},
                                                   {"false", DoNotTrack::kIgnore},
                                                   {"drop_record", DoNotTrack::kDropRecord},
                                                   {"strip_subject", DoNotTrack::kStripSubject}};
// `list` is told apart by `of`.
inline constexpr Word<FieldType> kFieldType[] = {
    {"bool", FieldType::kBool},         {"int", FieldType::kInt},
    {"double", FieldType::kDouble},     {"string", FieldType::kString},
    {"enum", FieldType::kEnum},         {"timestamp", FieldType::kTimestamp},
    {"duration", FieldType::kDuration}, {"list", FieldType::kStringList}};

template <class E, size_t N>
std::string_view Of(const Word<E> (&table)[N], E value) {
  for (const Word<E>& word : table) {
    if (word.second == value) return word.first;
  }
  return "";
}

}  // namespace televault::catalog::words
