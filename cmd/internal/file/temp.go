package file

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
	// TempPrefix begins the names of temp files and journals, and tempSuffix ends those of temp files.
	TempPrefix = ".envseal-"
	TempSuffix = ".tmp"
	// JournalSuffix ends the names of journals, which package inplace makes.
	JournalSuffix = ".journal"

	// StaleScanLimit bounds what looking for left temp files costs in a huge directory.
	StaleScanLimit = 50_000
	// remoteStaleAge is how long a temp file must lie untouched on a file system where a lock may
	// not be seen by other machines.
	remoteStaleAge = time.Hour
)

// makeTemp makes the file, without a name if the file system can. Its mode is 0600, or without a
// name perm as far as the umask allows: nobody else can open it then.
func (o *Output) makeTemp(perm os.FileMode) error {
	if !o.dir.named.Load() {
		fd, err := openUnnamed(o.dir.FD(), uint32(perm))
		if err == nil {
			o.FD, o.made = fd, perm&^Umask()
			return nil
		}
		if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EISDIR) {
			o.dir.named.Store(true)
		}
	}
	var err error
	for range 100 {
		name := tempName()
		o.FD, err = o.dir.Open(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
		if Exists(err) {
			continue
		}
		if err != nil {
			return err
		}
		if Lock(o.FD) {
			o.temp, o.made = name, 0o600&^Umask()
			return nil
		}
		// Another run took it for left behind, in the moment before the lock, and removes it.
		unix.Close(o.FD)
		o.FD, err = -1, syscall.EBUSY
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

// linkNew gives the file its name if nothing else has it: fs.ErrExist if something has.
func (o *Output) linkNew() error {
	if o.temp == "" {
		return linkUnnamed(o.FD, o.dir.FD(), o.base)
	}
	err := o.dir.RenameNew(o.temp, o.base)
	if err == nil {
		o.temp = ""
	}
	if err == nil || Exists(err) {
		return err
	}
	// Not every file system can rename without replacing. A second link can't replace either.
	err = Retry(func() error { return unix.Linkat(o.dir.FD(), o.temp, o.dir.FD(), o.base, 0) })
	if err == nil {
		if err = o.dir.Unlink(o.temp); err == nil {
			o.temp = ""
		}
		return err
	}
	if Exists(err) {
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
		Lock(o.FD)
		name := tempName()
		if err := linkUnnamed(o.FD, o.dir.FD(), name); err != nil {
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
	mine, mineErr := StatFD(o.FD)
	if err == nil && mineErr == nil && now.ID == mine.ID {
		_ = o.dir.Unlink(o.base)
	}
}

// removeTemp removes the name of the temp file. It is called within proc.UnlessEnding, or by a signal.
func (o *Output) removeTemp() {
	if o.temp != "" {
		_ = o.dir.Unlink(o.temp)
		o.temp = ""
	}
}

// Sweeper removes what killed runs left, once in each directory. It is safe for concurrent use. A
// nil one has no memory.
type Sweeper struct{ done sync.Map } // ID -> struct{}

// Sweep removes the temp files in dir that nobody uses. Failures do not matter.
func (s *Sweeper) Sweep(dir *Dir) {
	if s != nil {
		st, err := StatFD(dir.FD())
		if err != nil {
			return
		}
		if _, done := s.done.LoadOrStore(st.ID, struct{}{}); done {
			return
		}
	}
	for seen := 0; seen < StaleScanLimit; {
		names, err := dir.Readdirnames(1000)
		for _, name := range names {
			if strings.HasPrefix(name, TempPrefix) && strings.HasSuffix(name, TempSuffix) {
				dir.RemoveIfStale(name)
			}
		}
		if seen += len(names); err != nil {
			return
		}
	}
}

// RemoveIfStale removes name if it is a plain file of our own that nobody has locked. It is looked
// at through a descriptor, so that a link or a pipe planted under such a name does no harm.
func (d *Dir) RemoveIfStale(name string) {
	fd, err := d.Open(name, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	st, err := StatFD(fd)
	if err != nil || !st.IsRegular() || st.UID != os.Geteuid() {
		return
	}
	if !KindOf(fd).local && time.Since(changeTime(fd)) < remoteStaleAge {
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
