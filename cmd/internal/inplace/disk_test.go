package inplace

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// sector is what a disk writes as a whole. The tests tear it all the same.
const sector = 512

// diskModel is what a directory may look like after a crash, given the calls so far. Whatever was
// not synced is there or not, each sector and each name by itself and in any order, as the loosest
// file system would have it.
type diskModel struct {
	inodes map[int]*inode
	// versions of a name since the last sync of the directory, 0 for none; the last one is what a
	// running system sees
	names map[string][]int
	next  int
}

// inode is a file: what is surely on the disk, and the writes since.
type inode struct {
	synced []byte
	writes []step
}

func newDisk(files map[string][]byte) *diskModel {
	d := &diskModel{inodes: map[int]*inode{}, names: map[string][]int{}}
	for name, data := range files {
		d.next++
		d.inodes[d.next] = &inode{synced: bytes.Clone(data)}
		d.names[name] = []int{d.next}
	}
	return d
}

func (d *diskModel) clone() *diskModel {
	c := &diskModel{inodes: map[int]*inode{}, names: map[string][]int{}, next: d.next}
	for i, n := range d.inodes {
		c.inodes[i] = &inode{synced: n.synced, writes: slices.Clone(n.writes)}
	}
	for name, v := range d.names {
		c.names[name] = slices.Clone(v)
	}
	return c
}

func (d *diskModel) now(name string) int {
	v := d.names[name]
	if len(v) == 0 {
		return 0
	}
	return v[len(v)-1]
}

func (d *diskModel) rename(name string, to int) {
	if len(d.names[name]) == 0 {
		d.names[name] = []int{0}
	}
	d.names[name] = append(d.names[name], to)
}

// apply is what the call does.
func (d *diskModel) apply(s step) {
	switch s.call {
	case stepCreate:
		d.next++
		d.inodes[d.next] = &inode{}
		d.rename(s.name, d.next)
	case stepWrite:
		n := d.inodes[d.now(s.name)]
		n.writes = append(n.writes, step{off: s.off, data: bytes.Clone(s.data)})
	case stepSync:
		n := d.inodes[d.now(s.name)]
		n.synced, n.writes = n.seen(), nil
	case stepRemove:
		d.rename(s.name, 0)
	case stepRename:
		moved := d.now(s.name)
		d.rename(s.name, 0)
		d.rename(s.to, moved)
	case stepSyncDir:
		for name := range d.names {
			d.names[name] = []int{d.now(name)}
		}
	default:
		panic("unknown call " + string(s.call))
	}
}

// seen is the file as a running system sees it.
func (n *inode) seen() []byte {
	b := n.synced
	for _, w := range n.writes {
		b = patch(b, w)
	}
	return b
}

func patch(b []byte, w step) []byte {
	b = append(bytes.Clone(b), make([]byte, max(0, int(w.off)+len(w.data)-len(b)))...)
	copy(b[w.off:], w.data)
	return b
}

// running is the directory as a running system sees it, as after SIGKILL.
func (d *diskModel) running() map[string][]byte {
	files := map[string][]byte{}
	for name := range d.names {
		if i := d.now(name); i != 0 {
			files[name] = d.inodes[i].seen()
		}
	}
	return files
}

// crash is a directory as it may be after a power cut.
func (d *diskModel) crash(r *rand.Rand) map[string][]byte {
	files := map[string][]byte{}
	for name, versions := range d.names {
		if i := versions[r.IntN(len(versions))]; i != 0 {
			files[name] = d.inodes[i].crash(r)
		}
	}
	return files
}

// crash takes each sector from before or after each write; one of them may be torn in its middle.
func (n *inode) crash(r *rand.Rand) []byte {
	b := bytes.Clone(n.synced)
	for _, w := range n.writes {
		whole := patch(b, w)
		got := make([]byte, len(whole))
		copy(got, b)
		for at := 0; at < len(got); at += sector {
			end := min(at+sector, len(got))
			switch r.IntN(5) {
			case 0, 1:
				copy(got[at:end], whole[at:end])
			case 2:
				cut := at + r.IntN(end-at)
				copy(got[at:cut], whole[at:cut])
			}
		}
		// the new length may be there without the data, and the other way round
		if len(whole) > len(b) && r.IntN(3) == 0 {
			got = got[:len(b)+r.IntN(len(whole)-len(b)+1)]
		}
		b = got
	}
	return b
}

// partial gives the states in the middle of s: a write that was cut off at every sector and at some
// bytes.
func partial(s step, r *rand.Rand) []step {
	if s.call != stepWrite {
		return nil
	}
	var cuts []int
	for at := sector - int(s.off)%sector; at < len(s.data); at += sector {
		cuts = append(cuts, at)
	}
	for range 6 {
		cuts = append(cuts, r.IntN(len(s.data)))
	}
	var all []step
	for _, cut := range cuts {
		all = append(all, step{call: stepWrite, name: s.name, off: s.off, data: s.data[:cut]})
	}
	return all
}

// lay makes dir hold the files and nothing else.
func lay(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
