#pragma once

#include <string>
#include <utility>
#include <vector>

#include "vault/base/clock.h"
#include "vault/base/file_system.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/crypto/pkcs11_key_slots.h"

namespace televault::daemon {

struct InitOptions {
  std::string data_dir;
  std::string origin;                  // name of the log, e.g. vault.example.org/televault
  std::vector<std::string> operators;  // exactly two names
  std::string token_dir;               // "" = the tokens are in InitResult only
  std::string keyfile;                 // "" = Layout::default_keyfile(); keyfile vaults only
  SecretBytes passphrase;              // not empty: a passphrase vault
  size_t shares = 0;                   // not 0: a vault whose root key is split into so many
  size_t threshold = 0;                // of which so many open it
  std::string shares_file;             // "" = the shares are in InitResult only
  crypto::Pkcs11Settings pkcs11;       // a module is named: slot secrets on these tokens
  std::vector<std::string> tls_hosts;  // names and addresses in the server's certificate
};

// What init leaves to be told once.
struct InitResult {
  struct OperatorToken {
    std::string person;
    std::string accessor;
    std::string text;  // "" where it was written to token_dir
    std::string file;
  };
  std::vector<OperatorToken> tokens;
  std::string vkey;
  std::string keyfile;              // "" for other vaults
  std::vector<std::string> shares;  // their texts; empty where they were written to shares_file
  // Tokens that hold the slot secrets, with the id of each as a key replica.
  std::vector<std::pair<std::string, crypto::ReplicaId>> slot_tokens;
};

// Makes a vault: directories, keys, the first keyring, two operators with a token each, TLS
// material and the lock file. Refuses a directory that holds anything. Durable when OK; after an
// error or a crash in the middle the directory has no identity file and is no vault. Tokens are
// asked before anything is made; after an error nothing of the vault is left on them.
absl::StatusOr<InitResult> InitVault(FileSystem& fs, const Clock& clock, Random& random,
                                     const InitOptions& options);

}  // namespace televault::daemon
