package file

import (
	"errors"
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
func (o *Output) Commit() error {
	if o.ended {
		return exit.Errorf(exit.Other, "", "%s: committed after its end", ui.Shown(o.target))
	}
	err := o.commit()
	if err != nil {
		err = o.Failure(err)
	}
	o.end()
	return err
}

// Abort gives the output up: the target is as it was before, the temp file is gone. After Commit or
// Abort it does nothing.
func (o *Output) Abort() {
	if !o.ended {
		o.end()
	}
}

// Durable tells whether the output is a file that survives a power cut once it is committed.
func (o *Output) Durable() bool { return !o.Direct && !o.NoSync }

func (o *Output) commit() error {
	if err := o.stage(); err != nil || o.Direct {
		return err
	}
	replaced, err := o.Publish()
	if err != nil || o.NoSync {
		return err
	}
	if err := o.dir.Sync(); err != nil {
		if replaced {
			return exit.Errorf(exit.Output, "",
				"%s: was replaced, but may be the old one again after a power cut: "+
					"sync of its directory: %w", ui.Shown(o.target), exit.Reason(err))
		}
		o.withdraw()
		return err
	}
	return nil
}

// stage is the first step: the contents and the attributes are on the disk, and whatever errors
// have been put off until close have come to light.
func (o *Output) stage() error {
	if err := o.Finish(); err != nil {
		return err
	}
	return o.Sync(true)
}

// Finish gives the file its mode and time, when all is written.
func (o *Output) Finish() error {
	if o.Direct {
		return nil
	}
	if o.mode != o.Perm {
		if err := Retry(func() error { return unix.Fchmod(o.fd, uint32(o.Perm)) }); err != nil {
			return err
		}
	}
	if o.ModTime.IsZero() {
		return nil
	}
	return setModTime(o.fd, o.ModTime)
}

// Sync waits for the disk, unless that is not wanted, and with remote asks for the errors that come
// with close. Closing a duplicate does so while the file can still be given up, and keeps standard
// output open.
func (o *Output) Sync(remote bool) error {
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
func (o *Output) mustSync() bool {
	if o.NoSync {
		return false
	}
	if !o.Direct {
		return true
	}
	if _, ok := Descriptor(o.target); ok || o.file == os.Stdout {
		return false
	}
	st, err := statFD(o.fd)
	return err == nil && st.Mode&fs.ModeDevice != 0 && !st.isCharDevice()
}

// Publish is the second step: it gives the file its name, at once and whole. What has the name goes
// if the user wants it to and it is nothing that must stay; replaced tells of that.
func (o *Output) Publish() (replaced bool, err error) {
	replaced, err = o.publish()
	if refusesLinks(err) && o.temp == "" {
		if err = o.copyToNamed(); err == nil {
			replaced, err = o.publish()
		}
	}
	if err == nil {
		o.untrack()
	}
	return replaced, err
}

func (o *Output) publish() (replaced bool, err error) {
	err = proc.UnlessEnding(func() error {
		err := o.linkNew()
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		if there, err := o.dir.Look(o.base, false); err == nil {
			if err := o.refuse(&there, &there); err != nil {
				return err
			}
		}
		if !o.Force {
			return err
		}
		replaced = true
		return o.replace()
	})
	return replaced, err
}

func (o *Output) untrack() {
	if o.forget != nil {
		o.forget()
		o.forget = nil
	}
}

// end releases what the output holds and removes the temp file if it still has one.
func (o *Output) end() {
	o.ended = true
	_ = proc.UnlessEnding(func() error { o.Discard(); return nil })
	o.untrack()
	// What was written has been synced and asked for errors, or is given up: nothing is left to learn
	// from close.
	if o.file != os.Stdout && o.file != os.Stderr {
		o.close()
	}
	o.fd = -1 // the number may soon be another file's
	if o.dir != nil && !o.shared {
		o.dir.Close()
	}
}

// close closes the descriptor, by whoever owns it.
func (o *Output) close() {
	switch {
	case o.file != nil:
		o.file.Close()
	case o.fd >= 0:
		unix.Close(o.fd)
	}
	o.file = nil
}
