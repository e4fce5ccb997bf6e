package cmd

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// mayKeepTime fails before anything has changed where the file's modification time is to be kept and may not be set.
func (p *place) mayKeepTime() error {
	if !p.timeIsStill() {
		return p.changedError()
	}
	if err := p.restoreTime(p.file); err != nil {
		return fail(exitOutput, "run it as the owner of the file, or without --preserve-mtime", "%s: its modification time cannot be preserved: %w", shown(p.path()), reason(err))
	}
	return nil
}

// restoreTime gives f, which is the file or its journal, the modification time to keep, if there is one.
func (p *place) restoreTime(f *os.File) error {
	if p.modTime.IsZero() {
		return nil
	}
	return setModTime(int(f.Fd()), p.modTime)
}

// recoverTime takes the time to keep from the journal of the file, whose header is or was head. A rewrap that kept the time gave it to its journal. The journal of another is
// as old as the change that was interrupted, so that its time says of the file that it was changed, as that rewrap wanted.
func (p *place) recoverTime(head []byte) error {
	name := journalName(p.base)
	if p.modTime.IsZero() || !fits(readJournal(p.dir, name), head) {
		return p.restoreTime(p.file)
	}
	var st unix.Stat_t
	err := retry(func() error { return unix.Fstatat(int(p.dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return err
	}
	if t := time.Unix(st.Mtim.Unix()); t.Before(p.modTime) {
		p.modTime = t
	}
	return p.restoreTime(p.file)
}

// timeIsStill tells whether nobody has changed the file since the time to keep was found, as far as it tells: not all systems set it to the nanosecond.
func (p *place) timeIsStill() bool {
	if p.modTime.IsZero() {
		return true
	}
	now, err := p.file.Stat()
	return err == nil && now.ModTime().Truncate(time.Microsecond).Equal(p.modTime.Truncate(time.Microsecond))
}
