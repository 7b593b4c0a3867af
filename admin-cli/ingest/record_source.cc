#include "admin-cli/ingest/record_source.h"

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "vault/base/limits.h"

namespace televault::cli {
namespace {

using mapping::ParsedRecords;

constexpr size_t kPieceBytes = 256 * limits::KiB;
constexpr size_t kMaxLineBytes = limits::MiB;

// An open file, or standard input.
class Input {
 public:
  static absl::StatusOr<std::unique_ptr<Input>> Open(const std::string& path) {
    if (path == "-") return std::unique_ptr<Input>(new Input(STDIN_FILENO, false, path));
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return absl::ErrnoToStatus(errno, path);
    return std::unique_ptr<Input>(new Input(fd, true, path));
  }
  ~Input() {
    if (owned_) close(fd_);
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  // Up to kPieceBytes; empty at the end.
  absl::StatusOr<std::string_view> Next() {
    ssize_t got = -1;
    do {
      got = read(fd_, buffer_.data(), buffer_.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0) return absl::ErrnoToStatus(errno, path_);
    return std::string_view(buffer_.data(), static_cast<size_t>(got));
  }

 private:
  Input(int fd, bool owned, std::string path)
      : fd_(fd), owned_(owned), path_(std::move(path)), buffer_(kPieceBytes, '\0') {}
  const int fd_;
  const bool owned_;
  const std::string path_;
  std::string buffer_;
};

void TakeLine(std::string_view line, uint64_t number, const RecordSourceOptions& options,
              ParsedRecords& out) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return;
  auto record = mapping::ParseNdjsonLine(line, number, options.names, options.shape);
  if (record.ok()) {
    out.records.push_back(*std::move(record));
  } else {
    out.errors.push_back({number, std::string(record.status().message())});
  }
}

absl::Status ReadNdjson(Input& input, const RecordSourceOptions& options, const RecordSink& sink) {
  std::string line;
  uint64_t number = 1;
  bool too_long = false;
  for (;;) {
    TV_ASSIGN_OR_RETURN(std::string_view piece, input.Next());
    const bool end = piece.empty();
    ParsedRecords out;
    while (!piece.empty() || end) {
      const size_t stop = piece.find('\n');
      line += piece.substr(0, stop);
      if (line.size() > kMaxLineBytes) {
        too_long = true;
        line.clear();
      }
      if (stop == std::string_view::npos && !end) break;
      if (too_long) {
        out.errors.push_back({number, "the line is longer than 1 MiB"});
      } else {
        TakeLine(line, number, options, out);
      }
      line.clear();
      too_long = false;
      ++number;
      if (end) break;
      piece.remove_prefix(stop + 1);
    }
    TV_RETURN_IF_ERROR(sink(std::move(out)));
    if (end) return absl::OkStatus();
  }
}

absl::Status ReadCsv(Input& input, const RecordSourceOptions& options, const RecordSink& sink) {
  mapping::CsvReader reader(options.names, options.shape);
  for (;;) {
    TV_ASSIGN_OR_RETURN(const std::string_view piece, input.Next());
    ParsedRecords out;
    TV_RETURN_IF_ERROR(piece.empty() ? reader.Finish(out) : reader.Feed(piece, out));
    TV_RETURN_IF_ERROR(sink(std::move(out)));
    if (piece.empty()) return absl::OkStatus();
  }
}

absl::StatusOr<ParsedRecords> ParseDocument(std::string_view text,
                                            const RecordSourceOptions& options) {
  ParsedRecords out;
  if (options.format == RecordFormat::kMapped) {
    TV_ASSIGN_OR_RETURN(out, mapping::ApplyMapping(*options.source, text));
    return out;
  }
  TV_ASSIGN_OR_RETURN(const mapping::OtlpLogsRequest request,
                      options.format == RecordFormat::kOtlpProto ? mapping::OtlpLogsFromProto(text)
                                                                 : mapping::OtlpLogsFromJson(text));
  return mapping::RecordsOf(request, options.otlp);
}

// One document per line, as file exporters write them; records are numbered by line.
absl::Status ReadDocumentLines(std::string_view text, const RecordSourceOptions& options,
                               const RecordSink& sink) {
  uint64_t number = 0;
  while (!text.empty()) {
    const size_t stop = text.find('\n');
    const std::string_view line = text.substr(0, stop);
    text.remove_prefix(stop == std::string_view::npos ? text.size() : stop + 1);
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto parsed = ParseDocument(line, options);
    if (!parsed.ok()) {
      ParsedRecords refused;
      refused.errors.push_back({number, std::string(parsed.status().message())});
      TV_RETURN_IF_ERROR(sink(std::move(refused)));
      continue;
    }
    for (mapping::Record& record : parsed->records) record.number = number;
    for (mapping::RecordError& error : parsed->errors) error.number = number;
    TV_RETURN_IF_ERROR(sink(*std::move(parsed)));
  }
  return absl::OkStatus();
}

absl::Status ReadDocuments(const std::string& path, const RecordSourceOptions& options,
                           const RecordSink& sink) {
  TV_ASSIGN_OR_RETURN(const std::string text, ReadText(path, limits::kMaxMessageBytes));
  auto whole = ParseDocument(text, options);
  if (whole.ok()) return sink(*std::move(whole));
  const size_t first_line = text.find('\n');
  const bool lines = options.format != RecordFormat::kOtlpProto &&
                     first_line != std::string::npos && first_line + 1 < text.size() &&
                     ParseDocument(std::string_view(text).substr(0, first_line), options).ok();
  if (!lines) return Annotate(whole.status(), path);
  return ReadDocumentLines(text, options, sink);
}

}  // namespace

absl::StatusOr<RecordFormat> ParseRecordFormat(const std::string& name, const std::string& path) {
  if (name == "ndjson") return RecordFormat::kNdjson;
  if (name == "csv") return RecordFormat::kCsv;
  if (name == "otlp-json") return RecordFormat::kOtlpJson;
  if (name == "otlp-pb") return RecordFormat::kOtlpProto;
  if (!name.empty()) {
    return absl::InvalidArgumentError("--format is one of ndjson, csv, otlp-json, otlp-pb");
  }
  if (path.ends_with(".ndjson") || path.ends_with(".jsonl")) return RecordFormat::kNdjson;
  if (path.ends_with(".csv")) return RecordFormat::kCsv;
  return absl::InvalidArgumentError(
      "--format is needed: ndjson, csv, otlp-json, otlp-pb (or --source with a mapping file)");
}

absl::Status ReadRecords(const std::string& path, const RecordSourceOptions& options,
                         const RecordSink& sink) {
  if (options.format != RecordFormat::kNdjson && options.format != RecordFormat::kCsv) {
    return ReadDocuments(path, options, sink);
  }
  TV_ASSIGN_OR_RETURN(const auto input, Input::Open(path));
  return options.format == RecordFormat::kCsv ? ReadCsv(*input, options, sink)
                                              : ReadNdjson(*input, options, sink);
}

}  // namespace televault::cli
