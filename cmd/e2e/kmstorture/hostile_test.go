//go:build torture

package kmstorture

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/format"
)

// mostCalls is how often KMS may be asked for one file, whatever its header says.
const mostCalls = 3

// hostile is a header that somebody made, for a command that meets it.
type hostile struct {
	name     string
	slots    func(own format.Slot) []format.Slot
	args     []string // of the command, before FILE
	calls    int
	code     int
	allowed  string        // the only key that may be asked for; empty: any
	faults   string        // of the service
	attempts int           // for each call, 0 means one
	time     time.Duration // 0 means slack
}

const foreignKey = "arn:aws:kms:eu-west-1:999988887777:key/%08x-0000-4000-8000-000000000000"

// slotsOf makes n slots that name these keys, with blobs of random bytes.
func slotsOf(n int, keyID func(i int) string) []format.Slot {
	all := make([]format.Slot, n)
	for i := range all {
		blob := make([]byte, 184)
		rand.Read(blob)
		var err error
		if all[i], err = (format.KMSSlot{KeyID: keyID(i), CiphertextBlob: blob}).Slot(); err != nil {
			panic(err) // of the test's own making
		}
	}
	return all
}

func hostiles() []hostile {
	own := func(int) string { return fixture.keys[0] }
	foreign := func(i int) string { return fmt.Sprintf(foreignKey, i) }
	of := func(n int, keyID func(int) string) func(format.Slot) []format.Slot {
		return func(format.Slot) []format.Slot { return slotsOf(n, keyID) }
	}
	among := func(good format.Slot) []format.Slot { return append(slotsOf(63, foreign), good) }
	odd := func(i int) string {
		return []string{"alias/app", "x", "arn:aws:kms:eu-west-1:999988887777:alias/app",
			"arn:aws:s3:::example"}[i%4]
	}
	unknown := func(format.Slot) []format.Slot {
		return slices.Repeat([]format.Slot{{Type: 200, Body: make([]byte, 300)}}, 64)
	}
	a, b := fixture.keys[0], fixture.keys[1]
	list := []hostile{
		{name: "64 slots of the own key that do not open", slots: of(64, own),
			args: []string{"decrypt", "-o", "-"}, calls: mostCalls, code: 5},
		{name: "64 slots of the own key that do not open", slots: of(64, own),
			args: []string{"verify", "-k", a}, calls: mostCalls, code: 5},
		{name: "64 slots of foreign keys", slots: of(64, foreign),
			args: []string{"decrypt", "-o", "-", "-k", a}, calls: 0, code: 9},
		{name: "64 slots of foreign keys", slots: of(64, foreign),
			args: []string{"decrypt", "-o", "-", "--account", "000000000000"}, calls: 0, code: 9},
		{name: "64 slots of foreign keys", slots: of(64, foreign),
			args: []string{"rewrap", "--to", b, "--account", "000000000000"}, calls: 0, code: 9},
		{name: "64 slots of foreign keys, nothing forbidden", slots: of(64, foreign),
			args: []string{"decrypt", "-o", "-"}, calls: mostCalls, code: 5},
		{name: "the own slot behind 63 foreign ones", slots: among, args: []string{"verify", "-k", a},
			calls: 1, code: 0, allowed: a},
		{name: "the own slot behind 63 foreign ones", slots: among,
			args: []string{"verify", "--account", "000000000000"}, calls: 1, code: 0, allowed: a},
		{name: "64 slots whose keys are no keys", slots: of(64, odd),
			args: []string{"verify"}, calls: 0, code: 9},
		{name: "64 slots of an unknown type", slots: unknown,
			args: []string{"verify"}, calls: 0, code: 5},
		{name: "65 slots", slots: of(65, own), args: []string{"verify"}, calls: 0, code: 4},
		{name: "64 slots, to be re-wrapped", slots: of(64, own), args: []string{"rewrap", "--to", b},
			calls: mostCalls, code: 5},
		{name: "64 slots of the own key, throttled", slots: of(64, own), args: []string{"verify"},
			faults: "*=throttle", calls: mostCalls, attempts: 5, code: 6, time: mostCalls * retriedTime},
	}
	if full {
		list = append(list, hostile{name: "64 slots of the own key, no answer", slots: of(64, own),
			args: []string{"verify"}, faults: "*=hang", calls: mostCalls, attempts: 2, code: 6,
			time: mostCalls * silentTime})
	}
	return list
}

// TestTortureKMSHostileHeader counts the calls that a header can bring about.
func TestTortureKMSHostileHeader(t *testing.T) {
	t.Parallel()
	count := newTally(t)
	inParallel(hostiles(), func(h hostile) {
		o, err := h.try()
		if err != nil {
			t.Errorf("%s, %v: %v\n%s", h.name, h.args, err, o.stderr)
		}
		count.count("envseal", "header: "+h.name, o, err != nil,
			fmt.Sprintf("%d calls, exit %d", h.calls, h.code))
	})
}

func (h hostile) try() (outcome, error) {
	dir, err := workplace("good")
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir)
	if err := h.write(filepath.Join(dir, "good")); err != nil {
		return outcome{}, err
	}
	before, err := listing(dir)
	if err != nil {
		return outcome{}, err
	}
	s, err := serve(h.faults)
	if err != nil {
		return outcome{}, err
	}
	defer s.end()
	o := envseal(dir, s.env, slices.Concat(h.args, []string{"good"})...)
	errs := []error{o.within(max(h.time, slack)), unchanged(dir, before), h.counted(s)}
	if o.code != h.code {
		errs = append(errs, fmt.Errorf("exit code %d, want %d", o.code, h.code))
	}
	if len(o.stdout) > 0 && strings.Contains(strings.Join(h.args, " "), "-o -") {
		errs = append(errs, fmt.Errorf("%d bytes on stdout", len(o.stdout)))
	}
	return o, errors.Join(errs...)
}

// write gives the sealed file another header, valid but for whose it is.
func (h hostile) write(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	header, err := format.ReadHeader(bytes.NewReader(b), format.Limits{})
	if err != nil {
		return err
	}
	payload := b[header.Length:]
	header.Slots, header.Length = h.slots(header.Slots[0]), 0
	made, err := header.MarshalBinary()
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(made, payload...), 0o600)
}

// counted compares the calls with those that are allowed.
func (h hostile) counted(s *service) error {
	want := h.calls * max(1, h.attempts)
	calls, err := s.calls(want)
	if err == nil && len(calls) != want {
		err = fmt.Errorf("%d requests, want %d", len(calls), want)
	}
	for _, call := range calls {
		if h.allowed != "" && call.KeyID != h.allowed {
			err = errors.Join(err, fmt.Errorf("KMS was asked for %s", call.KeyID))
		}
	}
	return err
}
