#include "tests/bench/prepare.h"

#include "vault/base/check.h"

namespace televault::bench {

void Print(const std::string& measure, const std::string& figure) {
  std::printf("| %s | %s |\n", measure.c_str(), figure.c_str());
  std::fflush(stdout);
}

People Prepare(testing::Daemon& daemon, const std::vector<BenchDataset>& datasets) {
  Need(daemon.InitAndStart(), "start");
  std::vector<std::string> names;
  for (const BenchDataset& dataset : datasets) names.push_back(dataset.name);
  People people;
  people.collector = Need(daemon.Admit("collie", "collector", names), "collector");
  people.analyst = Need(daemon.Admit("anna", "analyst"), "analyst");
  people.investigator = Need(daemon.Admit("ivan", "investigator"), "investigator");
  people.auditor = Need(daemon.Admit("aude", "auditor"), "auditor");
  people.steward = Need(daemon.Admit("stella", "steward"), "steward");
  people.second_steward = Need(daemon.Admit("stefan", "steward"), "steward");
  for (const BenchDataset& dataset : datasets) {
    v1::ApplyDatasetRequest request;
    request.set_manifest(Manifest(dataset.manifest, dataset.name));
    client::Call call;
    const auto applied =
        Need(daemon.As(people.steward)->ApplyDataset(request, call), "apply the manifest");
    if (!applied.applied()) {
      std::fprintf(stderr, "%s\n", applied.DebugString().c_str());
      std::exit(1);
    }
  }
  return people;
}

v1::Partition AwaitMerges(const testing::Daemon& daemon, const People& people,
                          const std::string& dataset) {
  const auto auditor = daemon.As(people.auditor);
  v1::TailEntriesRequest tail;
  tail.mutable_filter()->set_method("partition.merge");
  client::Call call;
  call.timeout = std::chrono::minutes(30);
  const auto entries = Need(auditor->TailEntries(tail, call), "tail");
  const auto steward = daemon.As(people.steward);
  v1::ListPartitionsRequest list;
  list.set_dataset(dataset);
  list.set_page_size(1'000);
  for (;;) {
    client::Call list_call;
    const auto partitions = Need(steward->ListPartitions(list, list_call), "partitions");
    v1::Partition all;
    for (const v1::Partition& one : partitions.partitions()) {
      all.set_micro_batches(all.micro_batches() + one.micro_batches());
      all.set_events(all.events() + one.events());
      all.set_bytes(all.bytes() + one.bytes());
      all.set_blocks(all.blocks() + one.blocks());
    }
    if (all.micro_batches() == 0) return all;
    v1::TailEntriesResponse response;
    TV_CHECK(Need(entries->Next(response), "tail"));
  }
}

}  // namespace televault::bench
