package file

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Temp files of runs that were killed are told from those in use by a lock: it ends with the
// process that holds it, however that ends. A temp file is locked right after it is made; should
// another run find it in the moment between, that run gets the lock, and the maker, who does not
// get it or finds the file unlinked, makes another one.

const (
	// TempPrefix begins the names of temp files and journals.
	TempPrefix = ".envseal-"
	// TempSuffix ends the names of temp files.
	TempSuffix = ".tmp"
	// JournalSuffix ends the names of journals, which package inplace makes.
	JournalSuffix = ".journal"

	// staleScanLimit bounds what looking for left temp files costs in a huge directory.
	staleScanLimit = 50_000
	// remoteStaleAge is how long a temp file must lie untouched on a file system where a lock may
	// not be seen by other machines.
	remoteStaleAge = time.Hour
)

// makeTemp makes the file, without a name if the file system can. Its mode is 0600; that of one of
// many, which has no name, is the final one as far as the umask allows, to save a call: nobody else
// can open it.
func (o *Output) makeTemp() error {
	if !o.dir.named.Load() {
		perm := os.FileMode(0o600)
		if o.Together {
			perm = o.Perm
		}
		fd, err := openUnnamed(o.dir.fd(), uint32(perm))
		if err == nil {
			o.fd, o.mode = fd, perm&^Umask()
			return nil
		}
		if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EISDIR) {
			o.dir.named.Store(true)
		}
	}
	var err error
	for range 100 {
		name := tempName()
		o.fd, err = o.dir.open(name, unix.O_RDWR|createNew, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		if Lock(o.fd) {
			o.temp, o.mode = name, 0o600&^Umask()
			return nil
		}
		// Another run took it for left behind, in the moment before the lock, and removes it.
		unix.Close(o.fd)
		o.fd, err = -1, syscall.EBUSY
	}
	return fmt.Errorf("no name for a temp file: %w", err)
}

// Umask is the process's umask, which nobody changes.
var Umask = sync.OnceValue(ReadUmask)

func tempName() string {
	return TempPrefix + strings.ToLower(rand.Text()[:12]) + TempSuffix
}

// IsOwnTemp knows the names of temp files and of journals.
func IsOwnTemp(name string) bool {
	return strings.HasPrefix(name, TempPrefix) &&
		(strings.HasSuffix(name, TempSuffix) || strings.HasSuffix(name, JournalSuffix))
}

// refusesLinks tells by the error of Publish whether the file system, or who guards it, lets
// nothing that has no name have one.
func refusesLinks(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) ||
		errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EMLINK)
}

// copyToNamed has a temp file with a name take the place of one that can get none, all written,
// with its attributes and on the disk.
func (o *Output) copyToNamed() error {
	from := *o
	size, err := from.Size()
	if err != nil {
		return err
	}
	o.dir.named.Store(true)
	o.fd, o.file = -1, nil
	if err := o.Start(); err != nil {
		o.fd, o.file = from.fd, from.file
		return err
	}
	defer from.close()
	buf := make([]byte, min(size, 1<<20))
	defer clear(buf) // which may be of an opened file
	for off := int64(0); off < size; off += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), size-off)]
		if _, err := from.ReadAt(buf, off); err != nil {
			return err
		}
		if _, err := o.Write(buf); err != nil {
			return err
		}
	}
	return o.stage()
}

// linkNew gives the file its name if nothing else has it: fs.ErrExist if something has.
func (o *Output) linkNew() error {
	if o.temp == "" {
		return linkUnnamed(o.fd, o.dir.fd(), o.base)
	}
	err := o.dir.RenameNew(o.temp, o.base)
	if err == nil {
		o.temp = ""
	}
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// Not every file system can rename without replacing. A second link can't replace either.
	err = Retry(func() error { return unix.Linkat(o.dir.fd(), o.temp, o.dir.fd(), o.base, 0) })
	if err == nil {
		if err = o.dir.Unlink(o.temp); err == nil {
			o.temp = ""
		}
		return err
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	// Nor has every one links (FAT). Looking first is the best that is left there.
	if _, err := o.dir.Look(o.base, false); err == nil {
		return syscall.EEXIST
	}
	return o.rename()
}

// replace puts the file in the place of another one. A file without a name needs one for that, for
// a moment.
func (o *Output) replace() error {
	if o.temp == "" {
		Lock(o.fd)
		name := tempName()
		if err := linkUnnamed(o.fd, o.dir.fd(), name); err != nil {
			return err
		}
		o.temp = name
	}
	return o.rename()
}

func (o *Output) rename() error {
	err := o.dir.rename(o.temp, o.base)
	if err == nil {
		o.temp = ""
	}
	return err
}

// withdraw takes back a new file whose name may not last.
func (o *Output) withdraw() {
	now, err := o.dir.Look(o.base, false)
	mine, mineErr := statFD(o.fd)
	if err == nil && mineErr == nil && now.ID == mine.ID {
		_ = o.dir.Unlink(o.base)
	}
}

// Sweep removes the temp files that killed runs left in the directory. Failures do not matter.
func (d *Dir) Sweep() {
	for name := range d.ours(TempSuffix) {
		d.RemoveIfStale(name)
	}
}

// Journals are the names of journals in the directory.
func (d *Dir) Journals() iter.Seq[string] { return d.ours(JournalSuffix) }

// ours are names that this program gives, of one kind, as far as the directory may be listed, and
// not without end.
func (d *Dir) ours(suffix string) iter.Seq[string] {
	return func(yield func(string) bool) {
		list, err := d.again()
		if err != nil {
			return
		}
		defer list.Close()
		for seen := 0; seen < staleScanLimit; {
			names, err := list.Readdirnames(1000)
			for _, name := range names {
				ours := strings.HasPrefix(name, TempPrefix) && strings.HasSuffix(name, suffix)
				if ours && !yield(name) {
					return
				}
			}
			if seen += len(names); err != nil {
				return
			}
		}
	}
}

// RemoveIfStale removes name if it is a plain file of our own that nobody has locked. It is looked
// at through a descriptor, so that a link or a pipe planted under such a name does no harm.
func (d *Dir) RemoveIfStale(name string) {
	fd, err := d.open(name, toChange, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	st, err := statFD(fd)
	if err != nil || !st.IsRegular() || st.UID != os.Geteuid() {
		return
	}
	if !kindOf(fd).local && time.Since(st.changed) < remoteStaleAge {
		return
	}
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil {
		return
	}
	// Its owner may have finished meanwhile: only what still has this name is left behind.
	if now, err := d.Look(name, false); err == nil && now.ID == st.ID {
		_ = d.Unlink(name)
	}
}
