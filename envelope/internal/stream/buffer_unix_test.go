//go:build unix

package stream

import (
	"math"
	"testing"
)

// What the system has not got is an error, and not the end of the process.
func TestBufferThatIsTooLarge(t *testing.T) {
	if _, err := NewBuffer(math.MaxInt - 2*pageSize); err == nil {
		t.Error("more memory than there are addresses")
	}
}
