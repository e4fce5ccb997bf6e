package keys

import (
	"crypto/fips140"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/envelope/keymem"
)

// Harden keeps the memory of a command that will hold keys out of core dumps and away from other
// processes of the user, unless --allow-core-dumps is given.
func Harden(allowCoreDumps bool) {
	if allowCoreDumps {
		ui.Warn("--allow-core-dumps: a core file of this process may hold keys")
		return
	}
	if err := keymem.Harden(); err != nil {
		ui.Warn("core dumps could not be turned off: %v", err)
	}
}

// WarnUnlocked says at the end of a run that held keys that they could not be kept from swap.
func WarnUnlocked() {
	if err := keymem.LockError(); err != nil {
		ui.Warn("memory for keys could not be locked and may reach swap: %v; raise `ulimit -l`", err)
	}
}

// RefuseStrictFIPS fails where the Go cryptographic module has been told to refuse what sealed
// files consist of. It is asked before any key service is: a data key that is then of no use costs
// a call. What needs no payload key (inspect, rewrap, data-key, key-pair, doctor and kms with AWS
// KMS) works in that mode.
func RefuseStrictFIPS() error {
	if !fips140.Enforced() {
		return nil
	}
	return exit.Errorf(exit.Usage, exit.StrictFIPSHint,
		"GODEBUG=fips140=only refuses AES-GCM with nonces that are counted, and sealed files need them")
}
