package keys

import (
	"crypto/fips140"

	"github.com/envseal/envseal/cmd/internal/exit"
)

// RefuseStrictFIPS fails where the Go cryptographic module has been told to refuse what sealed
// files consist of. It is asked before any key service is: a data key that is then of no use costs
// a call. What needs no payload key (inspect, rewrap, data-key, key-pair, doctor and kms with AWS
// KMS) works in that mode.
func RefuseStrictFIPS() error {
	if !fips140.Enforced() {
		return nil
	}
	return exit.Errorf(exit.Usage, exit.StrictFIPSHint, "GODEBUG=fips140=only refuses AES-GCM with nonces that are counted, and sealed files need them")
}
