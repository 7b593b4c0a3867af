#include "vault/catalog/docs.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace televault::catalog {
namespace {

// Text of a manifest inside a Markdown table or line.
std::string Plain(std::string_view text) {
  return absl::StrReplaceAll({text.data(), text.size()},
                             {{"\n", " "}, {"|", "\\|"}, {"<", "&lt;"}, {"`", "'"}});
}

std::string OrNothing(const std::string& text) { return text.empty() ? "—" : Plain(text); }

// The page must not promise what the vault cannot do.
std::string NotYet(microseconds within) {
  return absl::StrCat("Erasure on request is meant to take at most ", FormatDuration(within),
                      ", but this version of the vault cannot erase the data of one subject before "
                      "its time is over.");
}

std::string TypeText(const FieldSpec& field) {
  std::string text = field.type ? std::string(WordOf(*field.type)) : "";
  if (field.type == FieldType::kStringList) {
    absl::StrAppend(&text, " of ", field.list_of_enum ? "enum" : "string");
  }
  if (!field.values.empty()) absl::StrAppend(&text, ": ", absl::StrJoin(field.values, ", "));
  if (!field.pattern.empty()) absl::StrAppend(&text, " like ", field.pattern);
  if (field.max_len > 0) absl::StrAppend(&text, ", at most ", field.max_len, " bytes");
  if (field.clamp_low && field.clamp_high) {
    absl::StrAppend(&text, " from ", *field.clamp_low, " to ", *field.clamp_high);
  }
  if (!field.unit.empty()) absl::StrAppend(&text, " ", field.unit);
  return Plain(text);
}

void Why(const Manifest& m, std::string& out) {
  absl::StrAppend(&out, "## Why is it collected?\n\n", Plain(m.why.question), "\n\n",
                  "What it brings you: ", Plain(m.why.benefit_to_subjects), "\n\n",
                  "| purpose | what for |\n|---|---|\n");
  for (const auto& [name, text] : m.why.purposes) {
    absl::StrAppend(&out, "| ", name, " | ", Plain(text), " |\n");
  }
  absl::StrAppend(&out, "\nWhat else was considered:\n\n");
  for (const Alternative& alternative : m.why.alternatives) {
    absl::StrAppend(&out, "- ", Plain(alternative.option), ": not enough, because ",
                    Plain(alternative.insufficient_because), "\n");
  }
  absl::StrAppend(&out, "\nLegal basis: ", std::string(WordOf(m.why.legal_basis)),
                  ". Assessment: ", OrNothing(m.why.assessment), ". Owner: ", Plain(m.owner_team));
  if (!m.owner_contacts.empty()) {
    absl::StrAppend(&out, " (", Plain(absl::StrJoin(m.owner_contacts, ", ")), ")");
  }
  absl::StrAppend(&out, ". Approved by ", OrNothing(absl::StrJoin(m.why.approved_by, ", ")),
                  m.why.approved_on ? absl::StrCat(" on ", FormatDay(*m.why.approved_on)) : "",
                  ". Next review by ", m.why.review_by ? FormatDay(*m.why.review_by) : "—",
                  "; past that date nothing more is collected.\n\n");
}

void What(const Manifest& m, std::string& out) {
  absl::StrAppend(
      &out, "## What exactly is collected?\n\n",
      "Nothing but these fields; an event with anything else is ",
      m.what.undeclared_fields == UndeclaredFields::kDropField ? "stored without it" : "refused",
      ". Network addresses are never stored.\n\n",
      "| field | type | class | purposes | why |\n|---|---|---|---|---|\n",
      "| event_time | timestamp | technical | all | when it happened |\n");
  if (m.what.subject) {
    absl::StrAppend(&out, "| subject | pseudonym | identifier | all | tells one ",
                    Plain(m.what.subject->unit), " from another |\n");
  }
  for (const FieldSpec& field : m.what.fields) {
    absl::StrAppend(&out, "| ", field.name, " | ", TypeText(field), " | ",
                    std::string(WordOf(field.field_class)), field.quasi_id ? " (quasi-id)" : "",
                    " | ", absl::StrJoin(field.purposes, ", "), " | ", Plain(field.why), " |\n");
  }
  absl::StrAppend(
      &out, "\nPersonal data: ", std::string(WordOf(m.what.personal_data)), ". Location: ",
      m.what.location == Location::kUnset ? "none" : std::string(WordOf(m.what.location)), ".\n\n");
}

void How(const Manifest& m, std::string& out) {
  absl::StrAppend(&out, "## How is it collected?\n\n",
                  m.how.collection == Collection::kThirdParty ? "With a third party's software"
                                                              : "With our own software",
                  ":\n\n");
  for (const SourceSpec& source : m.how.sources) {
    absl::StrAppend(&out, "- ", source.name, " (", std::string(WordOf(source.protocol)), ")\n");
  }
  if (m.what.subject) {
    absl::StrAppend(&out, "\nThe id of your ", Plain(m.what.subject->unit),
                    " is replaced by a keyed hash before anything is stored",
                    m.what.subject->rotate ? absl::StrCat("; the key changes every ",
                                                          FormatDuration(*m.what.subject->rotate))
                                           : "",
                    ".\n");
  }
  absl::StrAppend(&out, "\nProcessors: ",
                  m.how.processors.empty() ? "none" : Plain(absl::StrJoin(m.how.processors, ", ")),
                  ". In an incident: ", OrNothing(m.how.incident_contact),
                  "; the authority is told within ", m.how.authority_notice_hours.value_or(72),
                  " hours.\n\n");
}

void Who(const Manifest& m, std::string& out) {
  absl::StrAppend(&out,
                  "## Who may see it?\n\nEvery access is recorded before the answer is given.",
                  "\n\n| role | sees | purposes | conditions |\n|---|---|---|---|\n");
  for (const RoleSpec& role : m.who.roles) {
    std::string conditions;
    if (role.mode == RoleMode::kAggregate) {
      absl::StrAppend(&conditions, "groups under ", role.k_min.value_or(0), " are withheld");
    } else if (role.mode == RoleMode::kRows) {
      absl::StrAppend(&conditions, role.approvals.value_or(0),
                      " people approve that very query, for at most ",
                      role.grant ? FormatDuration(*role.grant) : "—");
    } else {
      absl::StrAppend(&conditions, "noise, epsilon ", role.epsilon.text);
    }
    for (const auto& [field, mask] : role.masks) {
      absl::StrAppend(&conditions, "; ", field, " ", mask);
    }
    const std::string_view sees = role.mode == RoleMode::kRows        ? "single events"
                                  : role.mode == RoleMode::kAggregate ? "figures about groups"
                                                                      : "noisy figures";
    absl::StrAppend(&out, "| ", Plain(role.name), " | ", std::string(sees), " | ",
                    absl::StrJoin(role.purposes, ", "), " | ", Plain(conditions), " |\n");
  }
  if (m.who.public_release) {
    absl::StrAppend(&out, "\nPublic: noisy figures",
                    m.who.public_release->every
                        ? absl::StrCat(" every ", FormatDuration(*m.who.public_release->every))
                        : "",
                    ".\n");
  }
  absl::StrAppend(&out, "\n");
}

void Opt(const Manifest& m, std::string& out) {
  const bool opt_in = m.opt.model == OptModel::kOptIn;
  absl::StrAppend(
      &out, "## Did you agree, and how do you stop it?\n\n",
      opt_in ? "Nothing is stored unless you agreed" : "It is collected unless you say no",
      ". Notice: ", OrNothing(m.opt.notice_url), ", version ", m.opt.notice_version,
      " (answers to versions before ", m.opt.notice_min_version, " do not count).\n\n");
  if (!m.opt.env_switches.empty()) {
    absl::StrAppend(&out, "- Set ", Plain(absl::StrJoin(m.opt.env_switches, " or ")), " to 1.\n");
  }
  if (!m.opt.flag_switch.empty()) {
    absl::StrAppend(&out, "- Give the flag ", Plain(m.opt.flag_switch), ".\n");
  }
  if (m.opt.do_not_track != DoNotTrack::kIgnore) {
    absl::StrAppend(&out, "- Do-Not-Track signals are honoured by the server: ",
                    m.opt.do_not_track == DoNotTrack::kDropRecord
                        ? "nothing is stored.\n"
                        : "no id is stored, not even as a pseudonym.\n");
  }
  absl::StrAppend(&out, "- When you withdraw, collecting stops at once; what is stored ",
                  "stays until it is deleted as below.\n");
  if (m.opt.erase_within) absl::StrAppend(&out, "- ", NotYet(*m.opt.erase_within), "\n");
  absl::StrAppend(&out, "\n");
}

void When(const Manifest& m, std::string& out) {
  absl::StrAppend(
      &out, "## When is it deleted?\n\nAfter ", m.when.ttl ? FormatDuration(*m.when.ttl) : "—",
      ", counted from the end of the day of the event. From then on nobody can read it,",
      " its key is destroyed, and a signed receipt proves it.");
  if (m.when.erasure_within) absl::StrAppend(&out, " ", NotYet(*m.when.erasure_within));
  absl::StrAppend(&out, "\n");
}

}  // namespace

std::string RenderMarkdown(const Manifest& m) {
  std::string out = absl::StrCat("# Telemetry: ", m.dataset, "\n\n",
                                 "This page is made from the manifest, revision ", m.revision,
                                 ", that the data vault enforces.\n\n");
  Why(m, out);
  What(m, out);
  How(m, out);
  Who(m, out);
  Opt(m, out);
  When(m, out);
  if (!m.lint_ok.empty()) {
    absl::StrAppend(&out, "\n## Accepted exceptions\n\n");
    for (const auto& [code, reason] : m.lint_ok) {
      absl::StrAppend(&out, "- ", Plain(code), ": ", Plain(reason), "\n");
    }
  }
  return out;
}

}  // namespace televault::catalog
