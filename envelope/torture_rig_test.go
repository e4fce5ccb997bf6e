//go:build torture

package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// inFull tells whether the long form of these tests was asked for, by TORTURE=full or by nothing.
func inFull(t testing.TB) bool {
	t.Helper()
	switch form := os.Getenv("TORTURE"); form {
	case "", "full":
		return true
	case "short":
		return false
	default:
		t.Fatalf("TORTURE=%s: it is full or short", form)
	}
	return false
}

// tally counts trials and what went wrong in them. It is safe for concurrent use.
type tally struct {
	t                  testing.TB
	trials, violations atomic.Int64
}

// violation fails the test; of many only the first are told.
func (c *tally) violation(words string, args ...any) {
	if n := c.violations.Add(1); n <= 20 {
		c.t.Errorf(words, args...)
	}
}

// report prints a line for docs/reliability.md. A test without trials has tested nothing.
func (c *tally) report(row, fault, remark string) {
	c.t.Helper()
	if c.trials.Load() == 0 {
		c.t.Errorf("%s: no trials", fault)
	}
	fmt.Printf("reliability: %s|%s|envseal|%d|%d|%s\n",
		row, fault, c.trials.Load(), c.violations.Load(), remark)
}

// spread calls work(i) for all i below n on all cores; every worker gets its own from newWork.
func spread(n int, newWork func() func(i int)) {
	const piece = 16
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			work := newWork()
			for {
				from := int(next.Add(piece)) - piece
				if from >= n {
					return
				}
				for i := from; i < min(from+piece, n); i++ {
					work(i)
				}
			}
		})
	}
	wg.Wait()
}

// keeper opens the slots that it has seen opened once, and refuses all others, as a key service
// refuses a ciphertext that it did not make. It asks nobody, so a test can open millions of files.
// What it hands out is bound to slot and context, and for the slot of a pair to the file.
type keeper struct{ keys map[string][]byte }

// ownService is the KeyId of the attacker's own key service, which answers with any of ownKeys.
const ownService = "me"

// ownKeys are what that service answers, by the CiphertextBlob.
var ownKeys = [][]byte{{}, make([]byte, 16), make([]byte, 31), make([]byte, 32), random(32),
	random(64), make([]byte, 1024), make([]byte, 1025)}

var errKeyService = errors.New("the key service refuses")

// learn has the data key of a file unwrapped by who really can.
func (k *keeper) learn(t testing.TB, file []byte, id envelope.Identity) *format.Header {
	t.Helper()
	h, err := format.ReadHeader(bytes.NewReader(file), format.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := id.Unwrap(context.Background(), h)
	if err != nil {
		t.Fatal(err)
	}
	defer key.Destroy()
	for _, slot := range h.Slots {
		k.keys[place(slot, h)] = bytes.Clone(key.Bytes())
	}
	return h
}

// place is what the key service or the pair binds a wrapped key to.
func place(slot format.Slot, h *format.Header) string {
	context, err := h.Context.AppendBinary(nil)
	if err != nil {
		return ""
	}
	if slot.Type == format.SlotPair {
		digest, err := h.Digest()
		if err != nil {
			return ""
		}
		context = digest[:]
	}
	return fmt.Sprintf("%d %x ", slot.Type, context) + string(slot.Body)
}

// Unwrap implements envelope.Identity.
func (k *keeper) Unwrap(_ context.Context, h *format.Header) (envelope.Secret, error) {
	asked := false
	for _, slot := range h.Slots {
		if slot.Type != format.SlotKMS && slot.Type != format.SlotPair {
			continue
		}
		asked = true
		kms, err := slot.KMS()
		if err == nil && kms.KeyID == ownService && int(kms.CiphertextBlob[0]) < len(ownKeys) {
			return &holder{key: bytes.Clone(ownKeys[kms.CiphertextBlob[0]])}, nil
		}
		if key := k.keys[place(slot, h)]; key != nil {
			return &holder{key: bytes.Clone(key)}, nil
		}
	}
	if !asked {
		return nil, envelope.ErrNoMatch
	}
	return nil, errKeyService
}

// sink compares what comes out with what went in, and counts what is out of place.
type sink struct {
	want    []byte
	unit    int64 // what comes out comes in whole units, the last of which may be shorter
	written int64
	wrong   string
}

// WriteAt implements io.WriterAt.
func (s *sink) WriteAt(p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	switch {
	case end > int64(len(s.want)) || !bytes.Equal(p, s.want[off:end]):
		s.wrong = fmt.Sprintf("%d bytes at %d are not those that were sealed", len(p), off)
	case off%s.unit != 0 || end%s.unit != 0 && end != int64(len(s.want)):
		s.wrong = fmt.Sprintf("bytes %d to %d are no whole chunks", off, end)
	}
	s.written += int64(len(p))
	return len(p), nil
}

// Write implements io.Writer for what is written from the start.
func (s *sink) Write(p []byte) (int, error) { return s.WriteAt(p, s.written) }
