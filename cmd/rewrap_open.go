package cmd

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/envseal/envseal/format"
	"golang.org/x/sys/unix"
)

// openPlace opens and locks a file whose header is to be changed. Nobody else's rewrap has it until it is closed.
//
// A symbolic link is refused unless follow: then it is the file that it leads to which is changed, and beside which the journal is.
func openPlace(name string, follow bool) (*place, error) {
	for range 10 {
		path, err := placePath(name, follow)
		if err != nil {
			return nil, err
		}
		p, err := tryPlace(path)
		if err != nil || p != nil {
			return p, err
		}
	}
	return nil, fail(exitOther, "try again once nothing replaces it", "%s: was replaced again and again while it was opened", shown(name))
}

// placePath refuses what has no header that could be changed, and gives the path of the file itself.
func placePath(name string, follow bool) (string, error) {
	info, err := os.Lstat(name)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if !follow {
			return "", fail(exitOutput, "-f re-wraps the file that the link leads to", "%s: is a symbolic link", shown(name))
		}
		if name, err = filepath.EvalSymlinks(name); err == nil {
			info, err = os.Lstat(name)
		}
	}
	switch {
	case err != nil:
		return "", inputError(name, err)
	case info.IsDir():
		return "", fail(exitUsage, "name the files: find DIRECTORY -name '*.sealed' -print0 | envseal rewrap --files0-from - ...", "%s: is a directory", shown(name))
	case !info.Mode().IsRegular():
		return "", fail(exitUsage, "", "%s: is not a regular file", shown(name))
	}
	return name, nil
}

// tryPlace is nil without an error if path was replaced meanwhile.
func tryPlace(path string) (*place, error) {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, openFailure(path, err)
	}
	p := &place{file: f, base: filepath.Base(path)}
	if err := p.lock(path); err != nil {
		p.Close()
		return nil, err
	}
	named, err := os.Lstat(path)
	if p.info, _ = f.Stat(); err != nil || p.info == nil || !os.SameFile(named, p.info) {
		p.Close()
		return nil, nil
	}
	if p.dir, err = openDirectory(filepath.Dir(path)); err != nil {
		p.Close()
		return nil, openFailure(filepath.Dir(path), err)
	}
	return p, nil
}

func openFailure(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fail(exitOutput, "chmod u+w "+shown(path)+", or ask its owner to", "%s: may not be written", shown(path))
	case errors.Is(err, syscall.EROFS):
		return fail(exitOutput, "", "%s: may not be written: %w", shown(path), reason(err))
	}
	return inputError(path, err)
}

// lock keeps other rewraps out. Where the file system knows no locks, there are none.
func (p *place) lock(path string) error {
	err := retry(func() error { return unix.Flock(int(p.file.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fail(exitUnreachable, "try again when it is done", "%s: is locked: another envseal is re-wrapping it", shown(path))
	}
	return nil
}

// Close lets go of the file and its lock.
func (p *place) Close() {
	p.file.Close()
	if p.dir != nil {
		p.dir.Close()
	}
}

const (
	// reflinkUnit is what lengths and positions must be multiples of for a file system to share blocks between two files.
	reflinkUnit = 4096
	// reflinkWorth is the payload from which sharing is worth a longer header.
	reflinkWorth = 1 << 20
)

// marshalFor lays changed out over old, whose file has size bytes. Where it has to grow, a large payload is moved by whole blocks, so that the file system can
// share them between the old file and the new.
func marshalFor(changed *format.Header, old, size int64) ([]byte, error) {
	if grown := changed.Length - old; grown > 0 && size-old >= reflinkWorth {
		grown = (grown + reflinkUnit - 1) / reflinkUnit * reflinkUnit
		if old+grown <= format.MaxHeader {
			changed.Length = old + grown
		}
	}
	return changed.MarshalBinary()
}

// replace puts a file with the header new and the same payload in the place of this one, whose header is old and of another length. force allows what the
// copy does not keep: other names of the file, its owner.
func (p *place) replace(old, new []byte, force bool) error {
	if st, ok := p.info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 && !force {
		return fail(exitOutput, "-f makes this name a file of its own; the others keep the old slots",
			"%s: has %d names (hard links), and its header no room for the new slots", shown(p.path()), st.Nlink)
	}
	out, err := createOutput(p.path(), outputOptions{force: true, perm: p.info.Mode().Perm(), modTime: p.modTime})
	if err != nil {
		return err
	}
	defer out.Abort()
	if err := keepOwner(out.File(), p.info); err != nil && !force {
		return fail(exitOutput, "run it as the owner, or -f to become the owner", "%s: header has no room for the new slots, and a copy would not belong to its owner: %w", shown(p.path()), reason(err))
	}
	if err := copyAttributes(out.File(), p.file); err != nil && !force {
		return fail(exitOutput, "-f does without", "%s: header has no room for the new slots, and its access list cannot be copied: %w", shown(p.path()), reason(err))
	}
	if _, err := out.Write(new); err != nil {
		return err
	}
	if err := p.copyPayload(out, int64(len(old))); err != nil {
		return err
	}
	if !p.isStill(old) {
		return p.changedError()
	}
	return out.Commit()
}

// copyPayload copies what is behind the header, in the kernel where it can.
func (p *place) copyPayload(out *output, header int64) error {
	left := p.info.Size() - header
	if _, err := p.file.Seek(header, io.SeekStart); err != nil {
		return inputError(p.path(), err)
	}
	toBlock := min((reflinkUnit-header%reflinkUnit)%reflinkUnit, left)
	for _, n := range []int64{toBlock, left - toBlock} {
		switch _, err := io.CopyN(out.File(), p.file, n); {
		case err == io.EOF:
			return p.changedError()
		case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
			return fail(exitOutput, "make room: the header has none for the new slots, so the file must be copied", "%s: %w", shown(p.path()), reason(reason(err)))
		case err != nil:
			return out.failure(err)
		}
	}
	if n, _ := p.file.Read(make([]byte, 1)); n > 0 {
		return p.changedError()
	}
	return nil
}

func (p *place) changedError() error {
	return fail(exitOther, "try again once nothing writes to it", "%s: changed while it was re-wrapped", shown(p.path()))
}

// keepOwner gives f the owner and group that info has.
func keepOwner(f *os.File, info os.FileInfo) error {
	want, ok := info.Sys().(*syscall.Stat_t)
	now, err := f.Stat()
	if err != nil || !ok {
		return err
	}
	if got, ok := now.Sys().(*syscall.Stat_t); ok && got.Uid == want.Uid && got.Gid == want.Gid {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}
