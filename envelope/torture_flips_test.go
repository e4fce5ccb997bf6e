//go:build torture

package envelope_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// turn tells whether reader number r has its turn at trial i. The cheapest that fits always has; in
// the short form the others have few.
func turn(t testing.TB, s *shape, r, i int) bool {
	cheapest := 0
	for !readers[cheapest].fits(s) {
		cheapest++
	}
	switch {
	case r == cheapest:
		return true
	case inFull(t):
		return (i+r)%4 == 0
	}
	return (i+r)%128 == 0
}

// Every bit of every shape is flipped, in a detached header too. FAULTS: nothing is accepted, and
// only whole authentic chunks come out before the refusal.
func TestTortureFlips(t *testing.T) {
	shapes := newWorkshop(t).shapes()
	if len(shapes) < 24 {
		t.Fatalf("%d shapes, want 24", len(shapes))
	}
	c, flips, all := &tally{t: t}, atomic.Int64{}, inFull(t)
	for _, s := range shapes {
		inOrder(t, s)
		spread(8*(len(s.head)+len(s.file)), func() func(int) {
			head, file := bytes.Clone(s.head), bytes.Clone(s.file)
			return func(i int) {
				if !all && (i+i/8)%3 != 0 {
					return // the short form has one bit of three, all of them by turns
				}
				b, at := head, i/8
				if at >= len(head) {
					b, at = file, at-len(head)
				}
				b[at] ^= 1 << (i % 8)
				flips.Add(1)
				for n, r := range readers {
					if r.fits(s) && turn(t, s, n, i/8+i) {
						in := input{s, file, head}
						c.judge(fmt.Sprintf("bit %d flipped", i), r, in, r.read(in))
					}
				}
				b[at] ^= 1 << (i % 8)
			}
		})
	}
	if n := flips.Load(); n < 300_000 {
		t.Errorf("%d flips, want 300 000", n)
	}
	c.report("1, 5", "any bit flipped, in process",
		fmt.Sprintf("%d flips in %d shapes of file, %d ways to read",
			flips.Load(), len(shapes), len(readers)))
}

// inOrder makes sure that a shape opens as long as nothing happens to it, whoever reads it.
func inOrder(t *testing.T, s *shape) {
	t.Helper()
	for _, r := range readers {
		if !r.fits(s) {
			continue
		}
		o := r.read(input{s, s.file, s.head})
		if o.err != nil || o.out.wrong != "" || o.out.written != int64(len(o.out.want)) {
			t.Fatalf("%s, %s: %d of %d bytes %s %v",
				s.name, r.name, o.out.written, len(o.out.want), o.out.wrong, o.err)
		}
	}
}

// Every length of every shape. The specification allows an END line of armor without a line end:
// such cuts decode to all that was there, and are counted apart.
func TestTortureCuts(t *testing.T) {
	shapes := newWorkshop(t).shapes()
	c, cuts, spelled := &tally{t: t}, atomic.Int64{}, atomic.Int64{}
	for _, s := range shapes {
		spread(len(s.head)+len(s.file), func() func(int) {
			return func(i int) {
				in := input{s, s.file, s.head}
				if i < len(s.head) {
					in.head = s.head[:i]
				} else {
					in.file = s.file[:i-len(s.head)]
				}
				cuts.Add(1)
				for n, r := range readers {
					if !r.fits(s) || !turn(t, s, n, i) {
						continue
					}
					o := r.read(in)
					if o.err == nil && withoutLineEnd(in) && o.out.wrong == "" &&
						o.out.written == int64(len(o.out.want)) {
						spelled.Add(1)
						continue
					}
					c.judge(fmt.Sprintf("cut to %d", i), r, in, o)
				}
			}
		})
	}
	if spelled.Load() == 0 {
		t.Error("armor without its last line end was not accepted once")
	}
	c.report("2, 5", "any truncation, in process",
		fmt.Sprintf("%d cuts: every length of %d shapes; besides, armor that lacked only its last line end opened %d times, as it should", cuts.Load(), len(shapes), spelled.Load()))
}

// withoutLineEnd tells whether an armored input lacks its last line end and nothing else.
func withoutLineEnd(in input) bool {
	return in.armored && string(in.file) == strings.TrimRight(string(in.shape.file), "\r\n")
}
