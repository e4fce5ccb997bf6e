package inplace

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// crashRig is a sealed file with several headers of one length, each good for its payload, and what
// opens it.
type crashRig struct {
	*testing.T
	store   *keystore.Store
	dir     string
	plain   []byte
	payload []byte
	headers [][]byte
	rand    *rand.Rand

	images, opened map[string]int // how many, by kind; by header
}

const crashName = "f.sealed"

// newCrashRig seals for slots keys at a time.
func newCrashRig(t *testing.T, slots int, ec format.Context) *crashRig {
	path := filepath.Join(t.TempDir(), "keystore")
	if err := keystore.Create(path, keystore.CreateOptions{PlaintextInsecure: true}); err != nil {
		t.Fatal(err)
	}
	store, err := keystore.Open(path, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r := &crashRig{
		T: t, store: store, dir: t.TempDir(), plain: bytes.Repeat([]byte("what is inside "), 600),
		rand: rand.New(rand.NewPCG(1, uint64(slots))), images: map[string]int{}, opened: map[string]int{},
	}
	key, err := envelope.NewDataKey(t.Context(), ec, r.recipients(slots)...)
	r.must(err)
	defer key.Destroy()
	var sealed bytes.Buffer
	h, err := envelope.Seal(t.Context(), &sealed, bytes.NewReader(r.plain), key,
		envelope.SealOptions{ChunkSizeLog2: 12})
	r.must(err)
	r.payload = bytes.Clone(sealed.Bytes()[h.Length:])
	r.headers = append(r.headers, bytes.Clone(sealed.Bytes()[:h.Length]))
	for range 2 {
		change := &keyring.Rewrap{To: r.destinations(slots)}
		h, err = envelope.Rewrap(t.Context(), h, change)
		r.must(err)
		raw, err := h.MarshalBinary()
		r.must(err)
		r.headers = append(r.headers, raw)
	}
	return r
}

func (r *crashRig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *crashRig) destinations(n int) []keyring.Destination {
	var all []keyring.Destination
	for range n {
		meta, err := r.store.CreateKey(r.Context(), kmsclient.CreateKeyInput{})
		r.must(err)
		all = append(all, keyring.Destination{KeyID: meta.ARN, Client: r.store,
			Region: kmsclient.LocalRegion})
	}
	return all
}

func (r *crashRig) recipients(n int) []envelope.Recipient {
	var all []envelope.Recipient
	for _, d := range r.destinations(n) {
		all = append(all, &keyring.KMSKey{Client: d.Client, KeyID: d.KeyID})
	}
	return all
}

func (r *crashRig) file(header int) []byte {
	return append(bytes.Clone(r.headers[header]), r.payload...)
}

// rewrap re-wraps the file in r.dir for the next header, as the command does, and gives the steps.
func (r *crashRig) rewrap() []step {
	r.Helper()
	p, err := Open(filepath.Join(r.dir, crashName), false)
	r.must(err)
	defer p.Close()
	head, fromJournal, err := p.SoundHead()
	r.must(err)
	steps, err := p.recoverySteps(head, fromJournal)
	r.must(err)
	old, err := p.Mend()
	r.must(err)
	at := slices.IndexFunc(r.headers, func(h []byte) bool { return bytes.Equal(h, old) })
	if at < 0 {
		r.Fatal("the header after recovery is none of the file's")
	}
	new := r.headers[(at+1)%len(r.headers)]
	r.must(p.Overwrite(old, new))
	return slices.DeleteFunc(slices.Concat(steps, p.journalSteps(old), p.changeSteps(old, new),
		p.dropSteps()), func(s step) bool { return s.call == stepTime }) // the model has no times
}

// opens lays the image out and opens the file as decrypt does. It tells by which header.
func (r *crashRig) opens(image map[string][]byte) (string, error) {
	lay(r.T, r.dir, image)
	in, err := file.Open(filepath.Join(r.dir, crashName))
	if err != nil {
		return "", err
	}
	defer in.Close()
	if err := UseJournal(in); err != nil {
		return "", err
	}
	var out bytes.Buffer
	id := &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) {
		return r.store, nil
	}}
	_, err = envelope.Open(context.Background(), &out, in, envelope.OpenOptions{Workers: 1}, id)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(out.Bytes(), r.plain) {
		return "", fmt.Errorf("opened to something else")
	}
	for i, h := range r.headers {
		got := make([]byte, len(h))
		if _, err := in.ReadAt(got, 0); err == nil && bytes.Equal(got, h) {
			from := "file"
			if !bytes.HasPrefix(image[crashName], h) {
				from = "journal"
			}
			return fmt.Sprintf("header %d from the %s", i, from), nil
		}
	}
	return "", fmt.Errorf("opened with slots that were never written")
}

// check counts the image, and fails unless it opens.
func (r *crashRig) check(kind string, image map[string][]byte) bool {
	r.images[kind]++
	which, err := r.opens(image)
	r.opened[which]++
	if err != nil {
		r.Errorf("%s: %v", kind, err)
	}
	return err == nil
}

// crashAll checks what a power cut may leave at every point of the calls, which go on from d. It
// does not change d.
func (r *crashRig) crashAll(kind string, d *diskModel, steps []step, each int) {
	d = d.clone()
	for i := 0; ; i++ {
		for range each {
			r.check(kind, d.crash(r.rand))
		}
		if i == len(steps) || r.Failed() {
			return
		}
		for _, s := range partial(steps[i], r.rand) {
			cut := d.clone()
			cut.apply(s)
			r.check(kind, cut.crash(r.rand))
		}
		d.apply(steps[i])
	}
}

// killAll gives what SIGKILL may leave at every point of the calls, and checks it.
func (r *crashRig) killAll(d *diskModel, steps []step) []*diskModel {
	d = d.clone()
	var states []*diskModel
	for i := 0; ; i++ {
		r.check("killed", d.running())
		states = append(states, d.clone())
		if i == len(steps) || r.Failed() {
			return states
		}
		for _, s := range partial(steps[i], r.rand) {
			cut := d.clone()
			cut.apply(s)
			r.check("killed", cut.running())
			states = append(states, cut)
		}
		d.apply(steps[i])
	}
}

// silence takes the messages of thousands of recoveries off the test's output.
func silence(t *testing.T) {
	stderr := os.Stderr
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = null
	t.Cleanup(func() { os.Stderr = stderr; null.Close() })
}

// TestRewrapSurvives stops a rewrap in place at every call and within every write, by a kill and by
// a power cut; then a second rewrap that follows such a kill, with what the first has not synced
// still pending, and one that follows a power cut. Each time the file must open with slots that it
// had at some time.
func TestRewrapSurvives(t *testing.T) {
	silence(t)
	long := format.Context{"long": string(bytes.Repeat([]byte("x"), 5000))}
	total := 0
	for _, shape := range []struct {
		slots int
		ec    format.Context
	}{{1, nil}, {12, nil}, {3, long}} {
		r := newCrashRig(t, shape.slots, shape.ec)
		start := newDisk(map[string][]byte{crashName: r.file(0)})
		lay(t, r.dir, start.running())
		steps := r.rewrap()
		r.crashAll("power cut", start, steps, 40)
		for i, killed := range r.killAll(start, steps) {
			if i%2 != 0 {
				continue // each takes a real rewrap, with all its waiting for the disk
			}
			lay(t, r.dir, killed.running())
			r.crashAll("power cut in the rewrap after a kill", killed, r.rewrap(), 2)
		}
		end := start.clone()
		for _, s := range steps[:len(steps)-3] { // all but sync, remove, syncdir
			end.apply(s)
		}
		for range 5 {
			after := newDisk(end.crash(r.rand))
			lay(t, r.dir, after.running())
			r.crashAll("power cut in the rewrap after a power cut", after, r.rewrap(), 1)
		}
		t.Logf("%d slots, header of %d bytes: %v; opened with: %v",
			shape.slots, len(r.headers[0]), r.images, r.opened)
		for _, n := range r.images {
			total += n
		}
		for _, which := range []string{"header 0 from the file", "header 0 from the journal",
			"header 1 from the file", "header 1 from the journal", "header 2 from the file"} {
			if r.opened[which] == 0 {
				t.Errorf("no image was opened with %s: the test tests less than it says", which)
			}
		}
	}
	t.Logf("%d crash points, the file opened every time", total)
	if total < 1000 {
		t.Errorf("only %d crash points", total)
	}
}

// TestCrashesAreNoticed leaves out what makes a rewrap safe, one thing after the other, and wants
// the images above to show it.
func TestCrashesAreNoticed(t *testing.T) {
	silence(t)
	r := newCrashRig(t, 3, nil)
	start := newDisk(map[string][]byte{crashName: r.file(0)})
	lay(t, r.dir, start.running())
	steps := r.rewrap()
	for i, s := range steps[:len(steps)-1] {
		if s.call != stepSync && s.call != stepSyncDir {
			continue
		}
		without := slices.Delete(slices.Clone(steps), i, i+1)
		d := start.clone()
		lost := 0
		for _, s := range without {
			d.apply(s)
			for range 30 {
				if _, err := r.opens(d.crash(r.rand)); err != nil {
					lost++
				}
			}
		}
		if t.Logf("without call %d (%s %s): %d files lost", i, s.call, s.name, lost); lost == 0 {
			t.Errorf("nobody would notice if call %d (%s %s) were not made", i, s.call, s.name)
		}
	}
}
