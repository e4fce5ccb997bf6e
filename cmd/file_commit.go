package cmd

import (
	"io/fs"
	"os"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/ui"
	"golang.org/x/sys/unix"
)

// Commit makes the file appear under its name: mode and modification time, fsync, the name, fsync
// of the directory. If force was not given, a file that turned up meanwhile is not replaced. On an
// error the target is as it was before and the temp file is gone; the one exception is said in the
// message: where an old file was replaced and then the directory could not be synced, the new file
// stays.
func (o *output) Commit() error {
	if o.ended {
		return exit.Errorf(exit.Other, "", "%s: committed after its end", ui.Shown(o.target))
	}
	err := o.commit()
	if err != nil {
		err = o.failure(err)
	}
	o.end()
	return err
}

// Abort gives the output up: the target is as it was before, the temp file is gone. After Commit or
// Abort it does nothing.
func (o *output) Abort() {
	if !o.ended {
		o.end()
	}
}

func (o *output) durable() bool { return !o.direct && !o.noSync }

func (o *output) commit() error {
	if err := o.stage(); err != nil || o.direct {
		return err
	}
	replaced, err := o.publish()
	if err != nil || o.noSync {
		return err
	}
	if err := syncDirectory(o.dir.File, o.asFile()); err != nil {
		if replaced {
			return exit.Errorf(exit.Output, "", "%s: was replaced, but may be the old one again after a power cut: "+
				"sync of its directory: %w", ui.Shown(o.target), exit.Reason(err))
		}
		o.withdraw()
		return err
	}
	return nil
}

// stage is the first step: the contents and the attributes are on the disk, and whatever errors
// have been put off until close have come to light.
func (o *output) stage() error {
	if !o.direct {
		if err := o.finish(); err != nil {
			return err
		}
	}
	return o.sync(true)
}

// finish gives the file its mode and time.
func (o *output) finish() error {
	if o.made != o.perm {
		if err := retry(func() error { return unix.Fchmod(o.fd, uint32(o.perm)) }); err != nil {
			return err
		}
	}
	if o.modTime.IsZero() {
		return nil
	}
	return setModTime(o.fd, o.modTime)
}

// sync waits for the disk, unless that is not wanted, and with remote asks for the errors that come
// with close. Closing a duplicate does so while the file can still be given up, and keeps standard
// output open.
func (o *output) sync(remote bool) error {
	if o.mustSync() {
		if err := syncFile(o.fd); err != nil {
			return err
		}
	}
	if !remote {
		return nil
	}
	return closeErrors(o.fd)
}

// mustSync leaves out pipes and character devices, which cannot be synced, and whatever was opened
// by somebody else.
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
	st, err := statFD(o.fd)
	return err == nil && st.mode&fs.ModeDevice != 0 && !st.isCharDevice()
}

// publish is the second step: it gives the file its name, at once and whole. What has the name goes
// if the user wants it to and it is nothing that must stay; replaced tells of that.
func (o *output) publish() (replaced bool, err error) {
	err = proc.UnlessEnding(func() error {
		err := o.linkNew()
		if !exists(err) {
			return err
		}
		if there, err := o.dir.stat(o.base, false); err == nil {
			if err := o.refuse(&there, &there); err != nil {
				return err
			}
		}
		if !o.force {
			return err
		}
		replaced = true
		return o.replace()
	})
	if err == nil {
		o.untrack()
	}
	return replaced, err
}

func (o *output) untrack() {
	if o.forget != nil {
		o.forget()
		o.forget = nil
	}
}

// end releases what the output holds and removes the temp file if it still has one.
func (o *output) end() {
	o.ended = true
	_ = proc.UnlessEnding(func() error { o.removeTemp(); return nil })
	o.untrack()
	// What was written has been synced and asked for errors, or is given up: nothing is left to learn
	// from close.
	switch {
	case o.file != nil && o.file != os.Stdout && o.file != os.Stderr:
		o.file.Close()
	case o.file == nil && o.isMade():
		unix.Close(o.fd)
	}
	if o.dir != nil && !o.shared {
		o.dir.Close()
	}
}
