package keys

import (
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
