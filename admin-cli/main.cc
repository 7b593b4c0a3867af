#include <csignal>
#include <cstdlib>
#include <iostream>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "admin-cli/app.h"
#include "vault/client/dial.h"

namespace {

size_t TerminalWidth() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace

int main(int argc, char** argv) {
  // Tokens and passphrases pass through this process: no core file may hold them.
  prctl(PR_SET_DUMPABLE, 0);
  std::signal(SIGPIPE, SIG_IGN);
  std::ios::sync_with_stdio(false);
  if (std::getenv("GRPC_VERBOSITY") == nullptr) televault::client::SilenceTransport();
  return televault::cli::RunApp(argc, argv,
                                {.in = std::cin,
                                 .out = std::cout,
                                 .err = std::cerr,
                                 .in_is_terminal = isatty(STDIN_FILENO) == 1,
                                 .out_is_terminal = isatty(STDOUT_FILENO) == 1,
                                 .err_is_terminal = isatty(STDERR_FILENO) == 1,
                                 .width = TerminalWidth()});
}
