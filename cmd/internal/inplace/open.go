package inplace

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/format"
)

// Open opens and locks a file whose header is to be changed. Nobody else's rewrap has it until
// it is closed.
//
// A symbolic link is refused unless follow: then it is the file that it leads to which is changed,
// and beside which the journal is.
func Open(name string, follow bool) (*File, error) {
	path := name
	if st, err := file.StatPath(name, false); err == nil && st.IsLink() {
		if !follow {
			return nil, exit.Errorf(exit.Output, "-f re-wraps the file that the link leads to",
				"%s: is a symbolic link", ui.Shown(name))
		}
		if path, err = filepath.EvalSymlinks(name); err != nil {
			return nil, file.InputError(name, err)
		}
	}
	parent, base := file.SplitName(path)
	if base == "" {
		return nil, directoryError(path)
	}
	dir, err := file.OpenDir(parent)
	if err != nil {
		return nil, openFailure(path, err)
	}
	p := &File{dir: dir, base: base}
	if err := p.open(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// directoryError is why what a path without a last name leads to has no header to change.
func directoryError(path string) error {
	st, err := file.StatPath(path, true)
	if err != nil {
		return file.InputError(path, err)
	}
	return checkType(path, &st)
}

func checkType(path string, st *file.Stat) error {
	switch {
	case st.Mode.IsDir():
		return exit.Errorf(exit.Usage, "name the files: find DIRECTORY -name '*.sealed' -print0 | "+
			"envseal rewrap --files0-from - ...", "%s: is a directory", ui.Shown(path))
	case !st.IsRegular():
		return exit.Errorf(exit.Usage, "", "%s: is not a regular file", ui.Shown(path))
	}
	return nil
}

// open opens the file, again where somebody replaced it meanwhile.
func (p *File) open() error {
	for range 10 {
		named, err := p.dir.Look(p.base, false)
		if err != nil {
			return file.InputError(p.Path(), err)
		}
		if err := checkType(p.Path(), &named); err != nil {
			return err
		}
		if p.file, err = p.dir.OpenToChange(p.base); err != nil {
			return openFailure(p.Path(), err)
		}
		if err := p.lock(); err != nil {
			return err
		}
		if p.Stat, err = file.StatFile(p.file); err != nil {
			return file.InputError(p.Path(), err)
		}
		if p.isNamed() {
			return nil
		}
		p.file.Close()
	}
	return exit.Errorf(exit.Other, "try again once nothing replaces it",
		"%s: was replaced again and again while it was opened", ui.Shown(p.Path()))
}

// isNamed tells whether the file is the one of its name.
func (p *File) isNamed() bool {
	named, err := p.dir.Look(p.base, false)
	return err == nil && named.ID == p.ID
}

func openFailure(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return exit.Errorf(exit.Output, "chmod u+w "+ui.Shown(path)+", or ask its owner to",
			"%s: may not be written", ui.Shown(path))
	case errors.Is(err, syscall.EROFS):
		return exit.Errorf(exit.Output, "", "%s: may not be written: %w",
			ui.Shown(path), exit.Reason(err))
	}
	return file.InputError(path, err)
}

// lock keeps other rewraps out. Where the file system knows no locks, there are none.
func (p *File) lock() error {
	if !file.Lock(int(p.file.Fd())) {
		return exit.Errorf(exit.Unreachable, "try again when it is done",
			"%s: is locked: another envseal is re-wrapping it", ui.Shown(p.Path()))
	}
	return nil
}

// Close lets go of the file and its lock.
func (p *File) Close() {
	if p.file != nil {
		p.file.Close()
	}
	p.dir.Close()
}

const (
	// reflinkUnit is what lengths and positions must be multiples of for a file system to share
	// blocks between two files.
	reflinkUnit = 4096
	// reflinkWorth is the payload from which sharing is worth a longer header.
	reflinkWorth = 1 << 20
)

// MarshalFor lays changed out over old, whose file has size bytes. Where it has to grow, a large
// payload is moved by whole blocks, so that the file system can share them between the old file and
// the new.
func MarshalFor(changed *format.Header, old, size int64) ([]byte, error) {
	if grown := changed.Length - old; grown > 0 && size-old >= reflinkWorth {
		grown = (grown + reflinkUnit - 1) / reflinkUnit * reflinkUnit
		if old+grown <= format.MaxHeader {
			changed.Length = old + grown
		}
	}
	return changed.MarshalBinary()
}

// Replace puts a file with the header new and the same payload in the place of this one, whose
// header is old and of another length. force allows what the copy does not keep: other names of the
// file, its owner.
func (p *File) Replace(old, new []byte, force bool) error {
	name := ui.Shown(p.Path())
	if p.Links > 1 && !force {
		return exit.Errorf(exit.Output,
			"-f makes this name a file of its own; the others keep the old slots",
			"%s: has %d names (hard links), and its header no room for the new slots", name, p.Links)
	}
	o := file.Options{Force: true, Perm: p.Mode.Perm(), ModTime: p.ModKept}
	out, err := p.dir.Create(p.base, p.Path(), o)
	if err != nil {
		return err
	}
	defer out.Abort()
	if err := keepOwner(out.AsFile(), &p.Stat); err != nil && !force {
		return exit.Errorf(exit.Output, "run it as the owner, or -f to become the owner",
			"%s: header has no room for the new slots, and a copy would not belong to its owner: %w",
			name, exit.Reason(err))
	}
	if err := out.CopyAttributes(p.file); err != nil && !force {
		return exit.Errorf(exit.Output, "-f does without",
			"%s: header has no room for the new slots, and its access list cannot be copied: %w",
			name, exit.Reason(err))
	}
	if _, err := out.Write(new); err != nil {
		return err
	}
	if err := p.copyPayload(out, int64(len(old))); err != nil {
		return err
	}
	if !p.IsStill(old) {
		return p.ChangedError()
	}
	return out.Commit()
}

// copyPayload copies what is behind the header, in the kernel where it can.
func (p *File) copyPayload(out *file.Output, header int64) error {
	left := p.Size - header
	if _, err := p.file.Seek(header, io.SeekStart); err != nil {
		return file.InputError(p.Path(), err)
	}
	toBlock := min((reflinkUnit-header%reflinkUnit)%reflinkUnit, left)
	for _, n := range []int64{toBlock, left - toBlock} {
		switch _, err := io.CopyN(out.AsFile(), p.file, n); {
		case err == io.EOF:
			return p.ChangedError()
		case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
			return exit.Errorf(exit.Output, "make room: the header has none for the new slots, so the file "+
				"must be copied", "%s: %w", ui.Shown(p.Path()), exit.Reason(exit.Reason(err)))
		case err != nil:
			return out.Failure(err)
		}
	}
	if n, _ := p.file.Read(make([]byte, 1)); n > 0 {
		return p.ChangedError()
	}
	return nil
}

// ChangedError is for a file that somebody wrote to while it was re-wrapped.
func (p *File) ChangedError() error {
	return exit.Errorf(exit.Other, "try again once nothing writes to it",
		"%s: changed while it was re-wrapped", ui.Shown(p.Path()))
}

// keepOwner gives f the owner and group of a file.
func keepOwner(f *os.File, like *file.Stat) error {
	now, err := file.StatFile(f)
	if err != nil || now.UID == like.UID && now.GID == like.GID {
		return err
	}
	return f.Chown(like.UID, like.GID)
}

// MayKeepTime is for a file whose modification time is to be kept. It fails before anything has
// changed where that may not be set.
func (p *File) MayKeepTime() error {
	if !p.timeIsStill() {
		return p.ChangedError()
	}
	if err := p.restoreTime(p.file); err != nil {
		return exit.Errorf(exit.Output, "run it as the owner of the file, or without --preserve-mtime",
			"%s: its modification time cannot be preserved: %w", ui.Shown(p.Path()), exit.Reason(err))
	}
	return nil
}

// restoreTime gives f, which is the file or its journal, the modification time to keep, if there is
// one.
func (p *File) restoreTime(f *os.File) error {
	if p.ModKept.IsZero() {
		return nil
	}
	return file.SetModTime(f, p.ModKept)
}

// timeIsStill tells whether nobody has changed the file since the time to keep was found, as far as
// it tells: not all systems set it to the nanosecond.
func (p *File) timeIsStill() bool {
	if p.ModKept.IsZero() {
		return true
	}
	now, err := file.StatFile(p.file)
	return err == nil &&
		now.ModTime.Truncate(time.Microsecond).Equal(p.ModKept.Truncate(time.Microsecond))
}
