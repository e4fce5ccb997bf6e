package tree

import (
	"errors"
	"io/fs"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// link makes a symbolic link again, if that is asked for.
func (w *walker) link(d *folder, name string) {
	if !w.KeepLinks {
		why := skipLinkHint
		if w.reads {
			why = skipLink
		}
		w.skip(d.show(name), why)
		return
	}
	if d.out == d.in {
		return // it is where it shall be
	}
	if w.DryRun {
		ui.Note("%s: would make the symbolic link %s", ui.ShownInput(d.show(name)), d.showOut(name))
		return
	}
	if err := w.copyLink(d, name); err != nil {
		if exit.Code(err) == 0 {
			err = exit.Errorf(exit.Output, "", "%s: %w", ui.Shown(d.showOut(name)), exit.Reason(err))
		}
		w.fail(d.show(name), err)
		return
	}
	w.commits.touch(d)
}

// copyLink makes a link with the target and time of the one that was found. One that is there with
// the same target will do.
func (w *walker) copyLink(d *folder, name string) error {
	target, err := d.in.ReadLink(name)
	if err != nil {
		return err
	}
	return proc.UnlessEnding(func() error {
		err := d.out.MakeLink(target, name, false)
		if errors.Is(err, fs.ErrExist) {
			there, e := d.out.ReadLink(name)
			switch {
			case e == nil && there == target:
				return nil
			case !w.Force:
				return file.ExistsError(d.showOut(name))
			}
			o := d.out.NewOutput(name, d.showOut(name), file.Options{Inputs: w.own, Together: true})
			if st, e := d.out.Look(name, false); e == nil {
				if e := o.RefuseGuarded(&st); e != nil {
					return e
				}
			}
			err = d.out.MakeLink(target, name, true)
		}
		if err == nil {
			d.out.KeepLinkTimes(name, d.in)
		}
		return err
	})
}
