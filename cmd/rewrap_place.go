package cmd

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// place is where a header is overwritten: a file, its name, and its directory. Its methods that change something are the steps of which a change in place is
// made; a test watches them, to see what is left if the machine goes down between any two, or within one.
type place struct {
	dir     *os.File
	base    string // of the file within dir
	file    *os.File
	info    os.FileInfo
	modTime time.Time  // that the file keeps; the zero time if it keeps none
	watch   func(step) // nil but in tests
}

// step is one call that changes a disk, or waits for one.
type step struct {
	call string // write, sync, create, remove, rename, syncdir
	name string // of the file within the directory
	to   string // its new name
	off  int64
	data []byte
}

func (p *place) did(s step) {
	if p.watch != nil {
		p.watch(s)
	}
}

func (p *place) write(f *os.File, name string, b []byte, off int64) error {
	p.did(step{call: "write", name: name, off: off, data: b})
	_, err := f.WriteAt(b, off)
	return err
}

func (p *place) sync(f *os.File, name string) error {
	p.did(step{call: "sync", name: name})
	return f.Sync()
}

func (p *place) syncDir() error {
	p.did(step{call: "syncdir"})
	return syncDirectory(p.dir, p.file)
}

func (p *place) remove(name string) error {
	p.did(step{call: "remove", name: name})
	return retry(func() error { return unix.Unlinkat(int(p.dir.Fd()), name, 0) })
}

// create makes a file that those can read who can read the sealed one: they may need it.
func (p *place) create(name string) (*os.File, error) {
	p.did(step{call: "create", name: name})
	fd := -1
	err := retry(func() (err error) {
		fd, err = unix.Openat(int(p.dir.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	_ = keepOwner(f, p.info) // who may not give files away made the journal as himself, which is enough for him
	if err := f.Chmod(p.info.Mode().Perm() | 0o600); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// overwrite puts the header new in the place of old, which is as long and is what the file begins with. Whenever it stops, by an error, a signal or a power cut,
// the file opens with the one or the other: the old header is safe on the disk before the first byte changes. An error says where the new one is there all the same.
func (p *place) overwrite(old, new []byte) error {
	live.ending.RLock() // a signal waits for the few milliseconds that this takes
	defer live.ending.RUnlock()
	if err := p.writeJournal(old); err != nil {
		return fmt.Errorf("journal %s: %w", journalName(p.base), reason(err))
	}
	if err := p.change(old, new); err != nil {
		// What is on the disk is not known now. The journal stays.
		_ = p.change(new, old)
		return fmt.Errorf("header could not be overwritten: %w; the file opens by way of %s, which must stay beside it until it has been re-wrapped", reason(err), journalName(p.base))
	}
	if err := p.removeJournal(); err != nil {
		return fmt.Errorf("has its new slots, but journal %s could not be removed for good, which does no harm: %w", journalName(p.base), reason(err))
	}
	return nil
}

// change overwrites from the first to the last byte in which the two differ, puts the modification time right, and waits for the disk.
func (p *place) change(old, new []byte) error {
	first, end := 0, len(new)
	for first < end && old[first] == new[first] {
		first++
	}
	for end > first && old[end-1] == new[end-1] {
		end--
	}
	if err := p.write(p.file, p.base, new[first:end], int64(first)); err != nil {
		return err
	}
	if err := p.restoreTime(p.file); err != nil {
		return err
	}
	return p.sync(p.file, p.base)
}

// writeJournal brings the journal to the disk, contents and name, or leaves none.
func (p *place) writeJournal(header []byte) error {
	name := journalName(p.base)
	f, err := p.create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	before, behind := encodeJournal(header)
	off := int64(0)
	for _, part := range [][]byte{before, header, behind} {
		if err == nil {
			err = p.write(f, name, part, off)
		}
		off += int64(len(part))
	}
	if err == nil {
		err = p.restoreTime(f)
	}
	if err == nil {
		err = p.sync(f, name)
	}
	if err == nil {
		err = p.syncDir()
	}
	if err != nil {
		_ = p.remove(name)
	}
	return err
}

func (p *place) removeJournal() error {
	if err := p.remove(journalName(p.base)); err != nil {
		return err
	}
	return p.syncDir()
}

// recover makes the file whole that an interrupted rewrap left, and removes the journal. It returns the header that the file has then.
//
// A journal is removed only once the file's own header is whole on the disk, and not merely in the memory of a kernel that the rewrap's process has left behind.
func (p *place) recover() ([]byte, error) {
	size := p.info.Size()
	head, fromJournal, err := soundHead(p.file, size, p.path())
	if err != nil {
		return nil, err
	}
	live.ending.RLock()
	defer live.ending.RUnlock()
	left := p.hasJournal()
	if left {
		err = p.recoverTime(head)
	}
	if err == nil {
		err = p.settle(head, fromJournal, left)
	}
	if left && err == nil {
		err = p.clearJournal(head)
	}
	if err != nil {
		return nil, fail(exitOutput, placeHint(err), "%s: what an interrupted rewrap left could not be put right: %w", shown(p.path()), reason(err))
	}
	return head, nil
}

// settle has the file begin with head on the disk, which the journal has if it is not the file's own.
func (p *place) settle(head []byte, fromJournal, left bool) error {
	if fromJournal {
		torn := make([]byte, len(head))
		if _, err := p.file.ReadAt(torn, 0); err != nil {
			return err
		}
		return p.change(torn, head)
	}
	if left {
		return p.sync(p.file, p.base)
	}
	return nil
}

// clearJournal frees the journal's name once nobody needs this file's. One of another file, which had the name before, is put aside: that file may need it.
func (p *place) clearJournal(head []byte) error {
	name := journalName(p.base)
	if header := readJournal(p.dir, name); header == nil || fits(header, head) {
		return p.removeJournal()
	}
	aside := tempPrefix + strings.ToLower(rand.Text()[:12]) + journalSuffix
	p.did(step{call: "rename", name: name, to: aside})
	if err := renameNew(int(p.dir.Fd()), name, aside); err != nil {
		return err
	}
	return p.syncDir()
}

// hasJournal tells whether something has the journal's name, be it a whole one or not.
func (p *place) hasJournal() bool {
	var st unix.Stat_t
	err := retry(func() error {
		return unix.Fstatat(int(p.dir.Fd()), journalName(p.base), &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	return !errors.Is(err, fs.ErrNotExist)
}

// path is the file's, through its directory.
func (p *place) path() string { return filepath.Join(p.dir.Name(), p.base) }

// isStill tells whether the file begins with old and is the one of its name.
func (p *place) isStill(old []byte) bool {
	now := bufio.NewReaderSize(io.NewSectionReader(p.file, 0, int64(len(old))), 1<<16)
	for len(old) > 0 {
		part, _ := now.Peek(min(len(old), now.Size()))
		if len(part) == 0 || !bytes.Equal(part, old[:len(part)]) {
			return false
		}
		_, _ = now.Discard(len(part))
		old = old[len(part):]
	}
	named, err := os.Lstat(p.path())
	return err == nil && os.SameFile(named, p.info) && p.timeIsStill()
}

// placeHint is what can be done where a header could not be overwritten.
func placeHint(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "the journal needs the right to make files in the directory"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "make room on the file system: it takes as much as the header"
	}
	return ""
}
