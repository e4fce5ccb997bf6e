//go:build secrets && !linux

package memscan_test

import "testing"

// TestSecretsNeedLinux says why nothing is searched.
func TestSecretsNeedLinux(t *testing.T) {
	t.Fatal("processes can be searched on Linux only")
}
