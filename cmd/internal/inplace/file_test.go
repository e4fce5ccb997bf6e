package inplace

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/testkit"
	"github.com/envseal/envseal/format"
	"golang.org/x/sys/unix"
)

// journalOf is a whole journal.
func journalOf(header []byte) []byte {
	before, behind := encodeJournal(header)
	return slices.Concat(before, header, behind)
}

func TestJournalName(t *testing.T) {
	long := strings.Repeat("n", maxNameLength)
	for _, base := range []string{"f", "f.sealed", ".envseal-x.tmp", long, long[1:]} {
		name := journalName(base)
		if len(name) > maxNameLength || !strings.HasPrefix(name, file.TempPrefix) ||
			strings.HasSuffix(name, file.TempSuffix) {
			t.Errorf("%q: journal %q", base, name)
		}
	}
	if journalName(long) == journalName(long[1:]) {
		t.Error("two long names, one journal")
	}
}

// TestJournalDecode takes every cut of a journal, and every byte changed, for none at all.
func TestJournalDecode(t *testing.T) {
	header := []byte("stands for a header")
	whole := journalOf(header)
	if got := decodeJournal(whole); !bytes.Equal(got, header) {
		t.Fatalf("decoded %q", got)
	}
	for i := range whole {
		if decodeJournal(whole[:i]) != nil {
			t.Errorf("cut to %d bytes: accepted", i)
		}
		bad := bytes.Clone(whole)
		bad[i] ^= 1
		if decodeJournal(bad) != nil {
			t.Errorf("byte %d changed: accepted", i)
		}
	}
	if decodeJournal(append(whole, 0)) != nil {
		t.Error("a byte behind it: accepted")
	}
}

// placed is a rig whose file is in its directory, opened for re-wrapping.
func placed(t *testing.T) (*crashRig, *File) {
	t.Helper()
	r := newCrashRig(t, 1, nil)
	lay(t, r.dir, map[string][]byte{crashName: r.file(0)})
	return r, r.open(false)
}

func (r *crashRig) open(force bool) *File {
	r.Helper()
	p, err := Open(filepath.Join(r.dir, crashName), force)
	r.must(err)
	r.Cleanup(p.Close)
	return p
}

// input opens a file of the rig for reading.
func (r *crashRig) input(name string) *file.Input {
	r.Helper()
	in, err := file.Open(filepath.Join(r.dir, name))
	r.must(err)
	r.Cleanup(in.Close)
	return in
}

// firstBytes is what reading in at its beginning gives.
func firstBytes(in *file.Input, n int) []byte {
	b := make([]byte, n)
	n, _ = in.ReadAt(b, 0)
	return b[:n]
}

func TestRewrapLocks(t *testing.T) {
	r, p := placed(t)
	_, err := Open(filepath.Join(r.dir, crashName), false)
	testkit.WantCode(t, err, exit.Unreachable, "is locked")
	p.Close()
	r.open(false)
}

// TestReadDuringRewrap reads the header over and over while it is overwritten: a reader needs no
// lock, and never sees a mixture.
func TestReadDuringRewrap(t *testing.T) {
	r := newCrashRig(t, 12, nil)
	lay(t, r.dir, map[string][]byte{crashName: r.file(0)})
	path := filepath.Join(r.dir, crashName)
	dir, err := file.OpenDir(r.dir)
	r.must(err)
	defer dir.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50 {
			r.rewrap()
		}
	}()
	reads := 0
	for running := true; running; reads++ {
		select {
		case <-done:
			running = false
		default:
		}
		f, err := os.Open(path)
		r.must(err)
		head, _, err := soundHead(f, int64(len(r.file(0))), func(torn []byte) []byte {
			return findJournal(dir, crashName, torn)
		})
		f.Close()
		if err != nil || !slices.ContainsFunc(r.headers, func(h []byte) bool {
			return bytes.Equal(h, head)
		}) {
			t.Fatalf("read %d: %v", reads, err)
		}
	}
	t.Logf("%d reads", reads)
}

// TestRewrapReplaced has the file replaced under a rewrap's hands, in its place and by its
// contents.
func TestRewrapReplaced(t *testing.T) {
	r, p := placed(t)
	if !p.IsStill(r.headers[0]) || p.IsStill(r.headers[1]) {
		t.Error("the header is not known again")
	}
	path := filepath.Join(r.dir, crashName)
	r.must(os.WriteFile(path+".new", r.file(0), 0o600))
	r.must(os.Rename(path+".new", path))
	if p.IsStill(r.headers[0]) {
		t.Error("another file is taken for this one")
	}
	testkit.WantCode(t, p.Replace(r.headers[0], append(r.headers[1], make([]byte, 256)...), false),
		exit.Other, "changed while it was re-wrapped")
	testkit.WantFiles(t, r.dir, map[string]string{crashName: string(r.file(0))})
}

func TestForeignJournalIsPutAside(t *testing.T) {
	r, p := placed(t)
	other := newCrashRig(t, 1, nil)
	foreign := journalOf(other.headers[0])
	r.must(os.WriteFile(filepath.Join(r.dir, journalName(crashName)), foreign, 0o600))
	head, err := p.Mend()
	r.must(err)
	r.must(p.Overwrite(head, r.headers[1]))
	aside, err := filepath.Glob(filepath.Join(r.dir, file.TempPrefix+"*"+file.JournalSuffix))
	r.must(err)
	if len(aside) != 1 || filepath.Base(aside[0]) == journalName(crashName) {
		t.Fatalf("journals %q", aside)
	}
	if got, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(got, foreign) {
		t.Errorf("put aside: %q, %v", got, err)
	}
	// It serves its file where that turns up.
	torn := append(bytes.Clone(other.headers[0][:500]), other.headers[1][500:]...)
	r.must(os.WriteFile(filepath.Join(r.dir, "other"), append(torn, other.payload...), 0o600))
	in := r.input("other")
	silence(t)
	err = UseJournal(in)
	if err != nil || !bytes.Equal(firstBytes(in, len(other.headers[0])), other.headers[0]) {
		t.Errorf("not found: %v", err)
	}
}

// TestJournalThatStays has the new slots on the disk by then, which the message must not deny.
func TestJournalThatStays(t *testing.T) {
	r, p := placed(t)
	journal := filepath.Join(r.dir, journalName(crashName))
	r.must(p.keep(r.headers[0]))
	r.must(p.change(r.headers[0], r.headers[1]))
	// something that cannot be removed as a file takes the name
	r.must(errors.Join(os.Remove(journal), os.Mkdir(journal, 0o700)))
	err := p.dropJournal()
	if err == nil || !strings.Contains(err.Error(), "has its new slots") ||
		!strings.Contains(err.Error(), journalName(crashName)) {
		t.Errorf("%v", err)
	}
	r.must(os.Remove(journal))
	testkit.WantFiles(t, r.dir, map[string]string{crashName: string(r.file(1))})
}

// TestPlantedJournals are followed nowhere.
func TestPlantedJournals(t *testing.T) {
	r, p := placed(t)
	p.Close()
	torn := append(bytes.Clone(r.headers[0][:400]), r.headers[1][400:]...)
	r.must(os.WriteFile(filepath.Join(r.dir, crashName), append(torn, r.payload...), 0o600))
	journal := filepath.Join(r.dir, journalName(crashName))
	outside := filepath.Join(t.TempDir(), "journal")
	r.must(os.WriteFile(outside, journalOf(r.headers[0]), 0o600))
	for _, plant := range []func() error{
		func() error { return os.Symlink(outside, journal) },
		func() error { return unix.Mkfifo(journal, 0o600) },
		func() error { return os.Mkdir(journal, 0o700) },
		func() error { return os.WriteFile(journal, journalOf(r.headers[0][:400]), 0o600) },
	} {
		r.must(plant())
		in := r.input(crashName)
		if err := UseJournal(in); err != nil || !bytes.Equal(firstBytes(in, len(torn)), torn) {
			t.Errorf("took it, %v", err)
		}
		r.must(os.Remove(journal))
	}
	if got, err := os.ReadFile(outside); err != nil || len(got) == 0 {
		t.Errorf("%v", err)
	}
}

// TestReplaceGrows gives the file a longer header: the payload moves, mode and attributes stay, and
// a large payload moves by whole blocks.
func TestReplaceGrows(t *testing.T) {
	r, p := placed(t)
	path := filepath.Join(r.dir, crashName)
	r.must(os.Chmod(path, 0o640))
	attributes := unix.Setxattr(path, "user.origin", []byte("elsewhere"), 0) == nil
	p = reopened(r, p)
	var h format.Header
	r.must(h.UnmarshalBinary(r.headers[1]))
	h.Slots = append(h.Slots, h.Slots[0], h.Slots[0])
	new, err := MarshalFor(&h, int64(len(r.headers[0])), p.Size)
	r.must(err)
	r.must(p.Replace(r.headers[0], new, false))
	got, err := os.ReadFile(path)
	r.must(err)
	if !bytes.Equal(got, append(bytes.Clone(new), r.payload...)) {
		t.Error("not the new header and the old payload")
	}
	info, err := os.Stat(path)
	r.must(err)
	if info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
	if attributes {
		value := make([]byte, 100)
		n, err := unix.Getxattr(path, "user.origin", value)
		if err != nil || string(value[:n]) != "elsewhere" {
			t.Errorf("attribute %q, %v", value[:max(n, 0)], err)
		}
	}
	if h.Length = int64(len(new)) + 256; len(new)%reflinkUnit == 0 {
		t.Fatal("grows by blocks for a small payload")
	}
	_, err = MarshalFor(&h, int64(len(new)), 10<<20)
	if err != nil || h.Length != int64(len(new))+reflinkUnit {
		t.Errorf("length %d after %d, %v", h.Length, len(new), err)
	}
}

func reopened(r *crashRig, p *File) *File {
	p.Close()
	return r.open(false)
}

// TestOverwriteFails leaves the file as it was where the journal cannot be made.
func TestOverwriteFails(t *testing.T) {
	r, p := placed(t)
	r.must(os.Mkdir(filepath.Join(r.dir, journalName(crashName)), 0o700))
	err := p.Overwrite(r.headers[0], r.headers[1])
	if err == nil || !strings.Contains(err.Error(), "journal") {
		t.Errorf("error %v", err)
	}
	r.must(os.Remove(filepath.Join(r.dir, journalName(crashName))))
	testkit.WantFiles(t, r.dir, map[string]string{crashName: string(r.file(0))})
	// The header cannot be written: the journal stays, and the file opens.
	readOnly, err := os.Open(filepath.Join(r.dir, crashName))
	r.must(err)
	writable := p.file
	p.file = readOnly
	err = p.Overwrite(r.headers[0], r.headers[1])
	p.file = writable
	readOnly.Close()
	if err == nil || !strings.Contains(err.Error(), journalName(crashName)) ||
		!strings.Contains(err.Error(), syscall.EBADF.Error()) {
		t.Errorf("error %v", err)
	}
	head, err := p.Mend()
	r.must(err)
	if !bytes.Equal(head, r.headers[0]) {
		t.Error("another header")
	}
	testkit.WantFiles(t, r.dir, map[string]string{crashName: string(r.file(0))})
}
