#pragma once

namespace televault {

// Whether memory of a secret could not be locked since the start of the process, so that it may
// reach swap: the limit on locked memory is too low, as a rule. It is reported, not died of.
bool SecretsMayBeSwapped();

}  // namespace televault
