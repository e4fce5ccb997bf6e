//go:build torture

package envelope_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// subject is a file that is mutated.
type subject struct {
	*shape
	parts *draft
	text  []byte // its armor
}

// mill makes and judges mutations, on one goroutine. The number of each says all about it:
// TORTURE_MUTATION=number makes that one again, and no other.
type mill struct {
	*tally
	*watch
	subjects []subject
	source   *rand.PCG
	rng      *rand.Rand
	streams  [][]frame
	judges   judges
	accepted *[mutationKinds]atomic.Int64
}

type mutationKind int

const (
	rawBytes    mutationKind = iota // anywhere, with whatever checksum that leaves
	headerParts                     // fields, lengths, counts and slots, the checksum right
	payloadParts
	bothParts
	armorText
	detachedHeader
	keyedChunks // by somebody who has the key
	keyedStream // so is this: what calls itself a compressed stream
	mutationKinds
)

// shares are of a hundred.
var shares = [mutationKinds]int{rawBytes: 17, headerParts: 38, payloadParts: 18, bothParts: 5,
	armorText: 6, detachedHeader: 4, keyedChunks: 8, keyedStream: 4}

// subjects are small, so that many mutations can be made of them.
func (w *workshop) subjects() (all []subject) {
	kms := w.recipients()
	for _, l := range []look{
		{name: "empty"}, {name: "1 byte", size: 1}, {name: "a chunk", size: smallChunk},
		{name: "a chunk and 1", size: smallChunk + 1},
		{name: "3 chunks, context", size: 2*smallChunk + 9,
			context: format.Context{"app": "web", "env": "prod"}}, {name: "3 slots", size: 50, slots: kms},
		{name: "KMS and pairs", size: 80,
			slots: append(kms[:1:1], w.pairs("ECC_NIST_P256", "ML_KEM_768")...)},
		{name: "pair", size: 90, slots: w.pairs("RSA_2048")},
		{name: "compressed", plain: text(600), compress: envelope.LevelFastest},
		{name: "compressed, 2 chunks", size: smallChunk + 5, compress: envelope.LevelFastest},
	} {
		s := w.shape(l)
		all = append(all, subject{s, draftOf(w.t, s), armorOf(w.t, s.file, "")})
	}
	one, other := w.eight(envelope.LevelNone)
	for _, s := range []*shape{one, other} {
		all = append(all, subject{s, draftOf(w.t, s), armorOf(w.t, s.file, "\r\n")})
	}
	return all
}

// Millions of mutations that know the format. Nobody without the key makes a file that opens to
// anything but what was sealed. Nobody with it makes one that panics, hangs or takes more than 64
// MiB.
func TestTortureMutations(t *testing.T) {
	total := 100_000
	if inFull(t) {
		total = 10_000_100 // some turn out to be no mutation
	}
	first := 0
	if n := os.Getenv("TORTURE_MUTATION"); n != "" {
		var err error
		if first, err = strconv.Atoi(n); err != nil {
			t.Fatal(err)
		}
		total = 1
	}
	c, accepted := &tally{t: t}, &[mutationKinds]atomic.Int64{}
	subjects, streams := newWorkshop(t).subjects(), baseStreams(t)
	guard := newGuard(t)
	newMill := func(c *tally, accepted *[mutationKinds]atomic.Int64) *mill {
		m := &mill{tally: c, watch: guard.watch(), subjects: subjects, source: rand.NewPCG(0, 0),
			streams: streams, judges: newJudges(t), accepted: accepted}
		m.rng = rand.New(m.source)
		return m
	}
	spread(total, func() func(int) {
		m := newMill(c, accepted)
		return func(i int) { m.mutation(first + i) }
	})
	again := newMill(&tally{t: t}, &[mutationKinds]atomic.Int64{})
	guard.weigh(again.mutation)
	c.violations.Add(again.violations.Load())
	remark := fmt.Sprintf("the most memory that one took: %d MiB", guard.most>>20)
	keyless, keyed := int64(0), accepted[keyedChunks].Load()+accepted[keyedStream].Load()
	for kind := range keyedChunks {
		keyless += accepted[kind].Load()
	}
	remark += fmt.Sprintf("; opened to what was sealed, slots or spelling being changed: %d; sealed with the key, valid and opened: %d", keyless, keyed)
	if total > 1 && (keyless == 0 || keyed == 0) {
		t.Errorf("nothing valid came of the mutations: %d, %d", keyless, keyed)
	}
	c.report("21, 22", "structure-aware mutations", remark)
}

// mutation makes number n.
func (m *mill) mutation(n int) {
	m.source.Seed(6, uint64(n))
	m.begin(n)
	defer m.end(m.tally)
	kind, at := mutationKind(0), m.rng.IntN(100)
	for at >= shares[kind] {
		at -= shares[kind]
		kind++
	}
	s := one(m.rng, m.subjects...)
	switch kind {
	case rawBytes:
		m.raw(n, s)
	case armorText:
		m.armor(n, s)
	case detachedHeader:
		m.detached(n, s)
	case keyedChunks:
		m.keyedChunks(n, s)
	case keyedStream:
		m.keyedStream(n, s)
	default:
		m.parts(n, kind, s)
	}
}

func (m *mill) raw(n int, s subject) {
	file := s.file
	for range 1 + m.rng.IntN(3) {
		file = altered(m.rng, file)
	}
	m.verdict(n, rawBytes, input{s.shape, file, nil}, bytes.Equal(file, s.file), false)
}

// parts changes header or payload. The key service may refuse, too, what it is asked then.
func (m *mill) parts(n int, kind mutationKind, s subject) {
	d, other := s.parts.clone(), one(m.rng, m.subjects...).parts
	if kind != payloadParts {
		for range 1 + m.rng.IntN(3) {
			one(m.rng, headerMutators...)(m.rng, d, other)
		}
	}
	if kind != headerParts {
		for range 1 + m.rng.IntN(2) {
			one(m.rng, payloadMutators...)(m.rng, d, other)
		}
	}
	if other != s.parts && d.isFile(other) {
		return // changed into all of the other file: whoever can write a file can do that
	}
	file := d.bytes()
	may := bytes.Equal(d.descriptor(), s.parts.descriptor()) &&
		bytes.Equal(d.commitment, s.parts.commitment) &&
		bytes.HasSuffix(file, bytes.Join(s.parts.chunks, nil))
	m.verdict(n, kind, input{s.shape, file, nil}, may, kind != payloadParts)
}

// isFile tells whether d has come to be another file, in all that the commitment stands for.
func (d *draft) isFile(other *draft) bool {
	return bytes.Equal(d.commitment, other.commitment) &&
		bytes.Equal(d.descriptor(), other.descriptor()) &&
		bytes.Equal(bytes.Join(d.chunks, nil), bytes.Join(other.chunks, nil))
}

// detached takes header and payload apart, and perhaps not from the same file.
func (m *mill) detached(n int, s subject) {
	d, other := s.parts.clone(), one(m.rng, m.subjects...).parts
	switch m.rng.IntN(3) {
	case 0:
		one(m.rng, headerMutators...)(m.rng, d, other)
	case 1:
		one(m.rng, payloadMutators...)(m.rng, d, other)
	}
	if other != s.parts && d.isFile(other) {
		return
	}
	in := input{s.shape, bytes.Join(d.chunks, nil), d.header()}
	if m.rng.IntN(4) == 0 {
		in.head = altered(m.rng, in.head)
	}
	may := bytes.HasPrefix(in.head, append(s.parts.descriptor(), s.parts.commitment...)) &&
		bytes.Equal(in.file, bytes.Join(s.parts.chunks, nil))
	m.verdict(n, detachedHeader, in, may, true)
}

// armor changes the text. Another spelling of the same file may be accepted if the specification
// allows it: other line ends, and no last one.
func (m *mill) armor(n int, s subject) {
	text := s.text
	for range 1 + m.rng.IntN(2) {
		switch m.rng.IntN(6) {
		case 0:
			text = bytes.ReplaceAll(text, []byte{'\n'}, []byte{'\r', '\n'})
		case 1:
			text = bytes.TrimSuffix(text, []byte{'\n'})
		case 2:
			text = append(bytes.Clone(text), one(m.rng, "\n", " ", "\r\n", "-", string(text))...)
		default:
			text = altered(m.rng, text)
		}
	}
	armored := *s.shape
	armored.armored = true
	same := func(b []byte) string {
		return string(bytes.TrimSuffix(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n")))
	}
	m.verdict(n, armorText, input{&armored, text, nil}, same(text) == same(s.text), false)
}

// verdict reads a file, in one way or another, that somebody without the key has made. may tells
// whether it may open, keys whether the keys may be wrong.
func (m *mill) verdict(n int, kind mutationKind, in input, may, keys bool) {
	m.trials.Add(1)
	r := m.reader(in)
	o := r.read(in)
	switch {
	case o.out.wrong != "":
		m.violation("mutation %d (%s, %s): %s, then %v", n, in.name, r.name, o.out.wrong, o.err)
	case o.err == nil && (!may || o.out.written != int64(len(o.out.want))):
		m.violation("mutation %d (%s, %s): accepted", n, in.name, r.name)
	case o.err == nil:
		m.accepted[kind].Add(1)
	case !refused(o.err) && !(keys && errorOfKeys(o.err)):
		m.violation("mutation %d (%s, %s): the refusal is of the wrong kind: %v",
			n, in.name, r.name, o.err)
	}
}

// reader picks a way to read, the cheap ones more often.
func (m *mill) reader(in input) reader {
	whole := *in.shape
	whole.head = in.head
	for {
		r := readers[0]
		if pick := m.rng.IntN(100); pick >= 60 {
			r = readers[one(m.rng, 1, 1, 1, 1, 1, 2, 3, 4, 6, 6, 6, len(readers)-2)]
		}
		if r.fits(&whole) {
			return r
		}
		if in.head != nil || in.armored {
			return readers[1]
		}
	}
}
