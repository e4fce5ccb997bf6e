package cmd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
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
	tempPrefix = ".envseal-"
	tempSuffix = ".tmp"
	// journalSuffix ends the names of journals, which package inplace makes.
	journalSuffix = ".journal"

	// staleScanLimit bounds what looking for left temp files costs in a huge directory.
	staleScanLimit = 50_000
	// remoteStaleAge is how long a temp file must lie untouched on a file system where a lock may
	// not be seen by other machines.
	remoteStaleAge = time.Hour
)

// makeTemp makes the file, without a name if the file system can. Its mode is 0600, or without a
// name perm as far as the umask allows: nobody else can open it then.
func (o *output) makeTemp(perm os.FileMode) error {
	if !o.dir.named.Load() {
		fd, err := openUnnamed(o.dir.fd(), uint32(perm))
		if err == nil {
			o.fd, o.made = fd, perm&^ownUmask()
			return nil
		}
		if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EISDIR) {
			o.dir.named.Store(true)
		}
	}
	var err error
	for range 100 {
		name := tempName()
		o.fd, err = o.dir.open(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
		if exists(err) {
			continue
		}
		if err != nil {
			return err
		}
		if lock(o.fd) {
			o.temp, o.made = name, 0o600&^ownUmask()
			return nil
		}
		// Another run took it for left behind, in the moment before the lock, and removes it.
		unix.Close(o.fd)
		o.fd, err = -1, syscall.EBUSY
	}
	return fmt.Errorf("no name for a temp file: %w", err)
}

// ownUmask is the process's umask, which nobody changes.
var ownUmask = sync.OnceValue(umask)

func tempName() string {
	return tempPrefix + strings.ToLower(rand.Text()[:12]) + tempSuffix
}

// isOwnTemp knows the names of temp files and of journals.
func isOwnTemp(name string) bool {
	return strings.HasPrefix(name, tempPrefix) &&
		(strings.HasSuffix(name, tempSuffix) || strings.HasSuffix(name, journalSuffix))
}

// linkNew gives the file its name if nothing else has it: fs.ErrExist if something has.
func (o *output) linkNew() error {
	if o.temp == "" {
		return linkUnnamed(o.fd, o.dir.fd(), o.base)
	}
	err := o.dir.renameNew(o.temp, o.base)
	if err == nil {
		o.temp = ""
	}
	if err == nil || exists(err) {
		return err
	}
	// Not every file system can rename without replacing. A second link can't replace either.
	err = retry(func() error { return unix.Linkat(o.dir.fd(), o.temp, o.dir.fd(), o.base, 0) })
	if err == nil {
		if err = o.dir.unlink(o.temp); err == nil {
			o.temp = ""
		}
		return err
	}
	if exists(err) {
		return err
	}
	// Nor has every one links (FAT). Looking first is the best that is left there.
	if _, err := o.dir.stat(o.base, false); err == nil {
		return syscall.EEXIST
	}
	return o.rename()
}

// replace puts the file in the place of another one. A file without a name needs one for that, for
// a moment.
func (o *output) replace() error {
	if o.temp == "" {
		lock(o.fd)
		name := tempName()
		if err := linkUnnamed(o.fd, o.dir.fd(), name); err != nil {
			return err
		}
		o.temp = name
	}
	return o.rename()
}

func (o *output) rename() error {
	err := o.dir.rename(o.temp, o.base)
	if err == nil {
		o.temp = ""
	}
	return err
}

// withdraw takes back a new file whose name may not last.
func (o *output) withdraw() {
	now, err := o.dir.stat(o.base, false)
	mine, mineErr := statFD(o.fd)
	if err == nil && mineErr == nil && now.fileID == mine.fileID {
		_ = o.dir.unlink(o.base)
	}
}

// removeTemp removes the name of the temp file. It is called within proc.UnlessEnding, or by a signal.
func (o *output) removeTemp() {
	if o.temp != "" {
		_ = o.dir.unlink(o.temp)
		o.temp = ""
	}
}

// sweeper removes what killed runs left, once in each directory. It is safe for concurrent use. A
// nil one has no memory.
type sweeper struct{ done sync.Map } // fileID -> struct{}

// sweep removes the temp files in dir that nobody uses. Failures do not matter.
func (s *sweeper) sweep(dir *directory) {
	if s != nil {
		st, err := statFD(dir.fd())
		if err != nil {
			return
		}
		if _, done := s.done.LoadOrStore(st.fileID, struct{}{}); done {
			return
		}
	}
	for seen := 0; seen < staleScanLimit; {
		names, err := dir.Readdirnames(1000)
		for _, name := range names {
			if strings.HasPrefix(name, tempPrefix) && strings.HasSuffix(name, tempSuffix) {
				dir.removeIfStale(name)
			}
		}
		if seen += len(names); err != nil {
			return
		}
	}
}

// removeIfStale removes name if it is a plain file of our own that nobody has locked. It is looked
// at through a descriptor, so that a link or a pipe planted under such a name does no harm.
func (d *directory) removeIfStale(name string) {
	fd, err := d.open(name, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	st, err := statFD(fd)
	if err != nil || !st.isRegular() || st.uid != os.Geteuid() {
		return
	}
	if !kindOf(fd).local && time.Since(changeTime(fd)) < remoteStaleAge {
		return
	}
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil {
		return
	}
	// Its owner may have finished meanwhile: only what still has this name is left behind.
	if now, err := d.stat(name, false); err == nil && now.fileID == st.fileID {
		_ = d.unlink(name)
	}
}

// changeTime is when a file was last changed, be it in its attributes; long ago if nobody knows.
func changeTime(fd int) time.Time {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return time.Time{}
	}
	return time.Unix(st.Ctim.Unix())
}

// notThere is fs.ErrNotExist, however a system words it.
func notThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }
