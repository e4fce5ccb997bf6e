// Package inplace overwrites the header of a sealed file where it stands, with a journal beside it,
// and finds the journal of one that was interrupted. At no moment is there neither the old header
// nor the new one whole on the disk, and the payload is never touched. Start with Open and
// File.Overwrite; for those that only read, with UseJournal.
package inplace

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// File is where a header is overwritten: a file, its name, and its directory.
type File struct {
	dir  *file.Dir
	base string // of the file within dir
	file *os.File
	file.Stat
	ModKept time.Time // the modification time that it keeps; the zero time if it gets a new one
	journal *os.File  // while it is written
}

// step is one call that changes a disk, or waits for one. What a change in place does is first laid
// out in steps, and then done, so that it can be told what is left if the machine goes down between
// any two of them, or within one.
type step struct {
	call stepCall
	name string // of the file within the directory
	to   string // its new name
	off  int64
	data []byte
}

type stepCall string

const (
	stepCreate  stepCall = "create" // the journal
	stepWrite   stepCall = "write"
	stepTime    stepCall = "time" // the modification time to keep, if there is one
	stepSync    stepCall = "sync"
	stepRemove  stepCall = "remove"
	stepRename  stepCall = "rename"
	stepSyncDir stepCall = "syncdir"
)

// do does the steps in their order, up to the first that fails.
func (p *File) do(steps []step) error {
	for _, s := range steps {
		if err := p.doStep(s); err != nil {
			return err
		}
	}
	return nil
}

func (p *File) doStep(s step) (err error) {
	f := p.file
	if s.name != p.base {
		f = p.journal
	}
	switch s.call {
	case stepCreate:
		p.journal, err = p.create(s.name)
	case stepWrite:
		_, err = f.WriteAt(s.data, s.off)
	case stepTime:
		err = p.restoreTime(f)
	case stepSync:
		err = f.Sync()
	case stepRemove:
		err = p.dir.Unlink(s.name)
	case stepRename:
		err = p.dir.RenameNew(s.name, s.to)
	case stepSyncDir:
		err = p.dir.Sync()
	}
	return err
}

// create makes a file that those can read who can read the sealed one: they may need it.
func (p *File) create(name string) (*os.File, error) {
	f, err := p.dir.CreateNew(name)
	if err != nil {
		return nil, err
	}
	// who may not give files away made the journal as himself, which is enough for him
	_ = keepOwner(f, &p.Stat)
	if err := f.Chmod(p.Mode.Perm() | 0o600); err != nil {
		f.Close()
		_ = p.dir.Unlink(name)
		return nil, err
	}
	return f, nil
}

// Overwrite puts the header new in the place of old, which is as long and is what the file begins
// with. Whenever it stops, by an error, a signal or a power cut, the file opens with the one or the
// other: the old header is safe on the disk before the first byte changes. An error says where the
// new one is there all the same.
func (p *File) Overwrite(old, new []byte) error {
	return proc.UnlessEnding(func() error { // a signal waits for the few milliseconds that this takes
		if err := p.keep(old); err != nil {
			return err
		}
		if err := p.change(old, new); err != nil {
			return err
		}
		return p.dropJournal()
	})
}

// keep is the first part: the journal has the header old.
func (p *File) keep(old []byte) error {
	err := p.do(p.journalSteps(old))
	if p.journal != nil {
		p.journal.Close()
		if err != nil {
			_ = p.dir.Unlink(journalName(p.base))
		}
	}
	p.journal = nil
	if err != nil {
		return fmt.Errorf("journal %s: %w", journalName(p.base), exit.Reason(err))
	}
	return nil
}

// change is the second part: the header new stands in the place of old.
func (p *File) change(old, new []byte) error {
	err := p.do(p.changeSteps(old, new))
	if err == nil {
		return nil
	}
	// What is on the disk is not known now. The journal stays.
	_ = p.do(p.changeSteps(new, old))
	return fmt.Errorf("header could not be overwritten: %w; the file opens by way of %s, which must "+
		"stay beside it until it has been re-wrapped", exit.Reason(err), journalName(p.base))
}

// dropJournal is the last part: there is no journal any more.
func (p *File) dropJournal() error {
	if err := p.do(p.dropSteps()); err != nil {
		return fmt.Errorf("has its new slots, but journal %s could not be removed for good, which does "+
			"no harm: %w", journalName(p.base), exit.Reason(err))
	}
	return nil
}

// journalSteps bring the journal to the disk, contents and name.
func (p *File) journalSteps(header []byte) []step {
	name := journalName(p.base)
	steps := []step{{call: stepCreate, name: name}}
	before, behind := encodeJournal(header)
	off := int64(0)
	for _, part := range [][]byte{before, header, behind} {
		steps = append(steps, step{call: stepWrite, name: name, off: off, data: part})
		off += int64(len(part))
	}
	return append(steps, step{call: stepTime, name: name}, step{call: stepSync, name: name},
		step{call: stepSyncDir})
}

// changeSteps overwrite from the first to the last byte in which the two differ, put the
// modification time right, and wait for the disk.
func (p *File) changeSteps(old, new []byte) []step {
	first, end := 0, len(new)
	for first < end && old[first] == new[first] {
		first++
	}
	for end > first && old[end-1] == new[end-1] {
		end--
	}
	return []step{
		{call: stepWrite, name: p.base, off: int64(first), data: new[first:end]},
		{call: stepTime, name: p.base}, {call: stepSync, name: p.base},
	}
}

func (p *File) dropSteps() []step {
	return []step{{call: stepRemove, name: journalName(p.base)}, {call: stepSyncDir}}
}

// SoundHead is the header of the file, or where an interrupted rewrap has torn it that in the
// journal.
func (p *File) SoundHead() (head []byte, fromJournal bool, err error) {
	return soundHead(p.file, p.Size,
		func(torn []byte) []byte { return findJournal(p.dir, p.base, torn) })
}

// Mend makes the file whole that an interrupted rewrap left, and removes the journal. It returns
// the header that the file has then.
func (p *File) Mend() ([]byte, error) {
	head, fromJournal, err := p.SoundHead()
	if err != nil {
		return nil, err
	}
	err = proc.UnlessEnding(func() error {
		steps, err := p.recoverySteps(head, fromJournal)
		if err != nil {
			return err
		}
		return p.do(steps)
	})
	if err != nil {
		return nil, exit.Errorf(exit.Output, Hint(err),
			"%s: what an interrupted rewrap left could not be put right: %w",
			ui.Shown(p.Path()), exit.Reason(err))
	}
	return head, nil
}

// recoverySteps have the file begin with head on the disk, which the journal has if it is not the
// file's own, and then free the journal's name. A journal is removed only once the file's own
// header is whole on the disk, and not merely in the memory of a kernel that the rewrap's process
// has left behind. One of another file, which had the name before, is put aside: that file may need
// it.
func (p *File) recoverySteps(head []byte, fromJournal bool) ([]step, error) {
	name := journalName(p.base)
	left := p.hasJournal()
	var steps []step
	if left {
		if err := p.recoverTime(head); err != nil {
			return nil, err
		}
		steps = append(steps, step{call: stepTime, name: p.base})
	}
	if fromJournal {
		torn := make([]byte, len(head))
		if _, err := p.file.ReadAt(torn, 0); err != nil {
			return nil, err
		}
		steps = append(steps, p.changeSteps(torn, head)...)
	} else if left {
		steps = append(steps, step{call: stepSync, name: p.base})
	}
	if !left {
		return steps, nil
	}
	if header := readJournal(p.dir, name); header == nil || fits(header, head) {
		return append(steps, p.dropSteps()...), nil
	}
	aside := file.TempPrefix + strings.ToLower(rand.Text()[:12]) + file.JournalSuffix
	return append(steps, step{call: stepRename, name: name, to: aside}, step{call: stepSyncDir}), nil
}

// recoverTime takes the time to keep from the journal of the file, whose header is or was head. A
// rewrap that kept the time gave it to its journal. The journal of another is as old as the change
// that was interrupted, so that its time says of the file that it was changed, as that rewrap
// wanted.
func (p *File) recoverTime(head []byte) error {
	name := journalName(p.base)
	if p.ModKept.IsZero() || !fits(readJournal(p.dir, name), head) {
		return nil
	}
	st, err := p.dir.Look(name, false)
	if err == nil && st.ModTime.Before(p.ModKept) {
		p.ModKept = st.ModTime
	}
	return err
}

// hasJournal tells whether something has the journal's name, be it a whole one or not.
func (p *File) hasJournal() bool {
	_, err := p.dir.Look(journalName(p.base), false)
	return !errors.Is(err, fs.ErrNotExist)
}

// Path is the file's, through its directory.
func (p *File) Path() string { return p.dir.Path(p.base) }

// IsStill tells whether the file begins with old and is the one of its name.
func (p *File) IsStill(old []byte) bool {
	now := bufio.NewReaderSize(io.NewSectionReader(p.file, 0, int64(len(old))), 1<<16)
	for len(old) > 0 {
		part, _ := now.Peek(min(len(old), now.Size()))
		if len(part) == 0 || !bytes.Equal(part, old[:len(part)]) {
			return false
		}
		_, _ = now.Discard(len(part))
		old = old[len(part):]
	}
	return p.isNamed() && p.timeIsStill()
}

// Hint is what can be done where a header could not be overwritten.
func Hint(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "the journal needs the right to make files in the directory"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "make room on the file system: it takes as much as the header"
	}
	return ""
}
