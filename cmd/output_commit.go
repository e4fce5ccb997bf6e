package cmd

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Commit makes the file appear under its name: mode and modification time, fsync, the name, fsync of the directory. If force was not
// given, a file that turned up meanwhile is not replaced. On an error the target is as it was before and the temp file is
// gone; the one exception is said in the message: where an old file was replaced and then the directory could not be
// synced, the new file stays.
func (o *output) Commit() error {
	if o.ended {
		return fail(exitOther, "", "%s: committed after its end", shown(o.target))
	}
	err := o.commit()
	if err != nil {
		err = o.failure(err)
	}
	o.end()
	return err
}

// Abort gives the output up: the target is as it was before, the temp file is gone. After Commit or Abort it does nothing.
func (o *output) Abort() {
	if !o.ended {
		o.end()
	}
}

func (o *output) durable() bool { return !o.direct && !o.noSync }

func (o *output) commit() error {
	if err := o.settle(); err != nil {
		return err
	}
	if o.direct {
		return nil
	}
	replaced, err := o.publish()
	if err != nil || o.noSync {
		return err
	}
	if err := syncDirectory(o.parent, o.file); err != nil {
		if replaced {
			return fail(exitOutput, "", "%s: was replaced, but may be the old one again after a power cut: sync of its directory: %w",
				shown(o.target), reason(err))
		}
		o.withdraw()
		return err
	}
	return nil
}

// settle brings the contents and the attributes to the disk, and to light what errors have been put off until close.
func (o *output) settle() error {
	if !o.direct {
		if o.perm != 0o600 {
			if err := o.file.Chmod(o.perm); err != nil {
				return err
			}
		}
		if !o.modTime.IsZero() {
			if err := setModTime(int(o.file.Fd()), o.modTime); err != nil {
				return err
			}
		}
	}
	if o.mustSync() {
		if err := o.file.Sync(); err != nil {
			return err
		}
	}
	// Network file systems report a failed write as late as close. Closing a duplicate asks them while the file can still be given up,
	// and it keeps standard output open.
	dup, err := unix.FcntlInt(o.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(dup)
}

// mustSync leaves out pipes and character devices, which cannot be synced, and whatever was opened by somebody else.
func (o *output) mustSync() bool {
	if o.noSync {
		return false
	}
	if !o.direct {
		return true
	}
	if _, ok := descriptorNumber(o.target); ok || o.file == os.Stdout {
		return false
	}
	info, err := o.file.Stat()
	return err == nil && info.Mode()&fs.ModeDevice != 0 && info.Mode()&fs.ModeCharDevice == 0
}

// publish gives the file its name, in one step that never shows a half. replaced tells that there was another file.
func (o *output) publish() (replaced bool, err error) {
	live.ending.RLock()
	defer live.ending.RUnlock()
	err = o.linkNew()
	if o.force && errors.Is(err, fs.ErrExist) {
		replaced, err = true, o.replace()
	}
	if err == nil {
		live.dropOutput(o)
	}
	return replaced, err
}

// end releases what the output holds and removes the temp file if it still has one.
func (o *output) end() {
	live.ending.RLock()
	defer live.ending.RUnlock()
	o.ended = true
	o.removeTemp()
	live.dropOutput(o)
	// What was written has been synced and asked for errors, or is given up: nothing left to learn from close.
	if o.file != os.Stdout && o.file != os.Stderr {
		o.file.Close()
	}
	if o.parent != nil {
		o.parent.Close()
	}
}
