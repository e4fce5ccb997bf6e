package cmd

import "golang.org/x/sys/unix"

// link makes a symbolic link again, if that is asked for.
func (w *walker) link(d *folder, name string) {
	if !w.keepLinks {
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
	if w.dryRun {
		note("%s: would make the symbolic link %s", display(d.show(name)), d.showOut(name))
		return
	}
	if err := w.copyLink(d, name); err != nil {
		if codeOf(err) == 0 {
			err = fail(exitOutput, "", "%s: %w", shown(d.showOut(name)), reason(err))
		}
		w.fail(d.show(name), err)
		return
	}
	w.commits.touch(d)
}

// copyLink makes a link with the target and time of the one that was found. One that is there with the same target will do.
func (w *walker) copyLink(d *folder, name string) error {
	from, to := int(d.in.Fd()), int(d.out.Fd())
	target, err := readLinkAt(from, name)
	if err != nil {
		return err
	}
	live.ending.RLock()
	defer live.ending.RUnlock()
	err = unix.Symlinkat(target, to, name)
	if err == unix.EEXIST {
		there, e := readLinkAt(to, name)
		switch {
		case e == nil && there == target:
			return nil
		case !w.force:
			return existsError(shown(d.showOut(name)))
		}
		var st unix.Stat_t
		if e := unix.Fstatat(to, name, &st, unix.AT_SYMLINK_NOFOLLOW); e == nil {
			if own := w.ownFile(&st); own != nil {
				return own.outputError(d.showOut(name), "give the output another place with -O")
			}
		}
		err = replaceLink(target, to, name)
	}
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if unix.Fstatat(from, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		times := []unix.Timespec{st.Atim, st.Mtim}
		_ = unix.UtimesNanoAt(to, name, times, unix.AT_SYMLINK_NOFOLLOW)
	}
	return nil
}

// replaceLink puts a link in the place of what has its name, unless that is a directory.
func replaceLink(target string, dir int, name string) error {
	temp := tempName()
	if err := unix.Symlinkat(target, dir, temp); err != nil {
		return err
	}
	err := unix.Renameat(dir, temp, dir, name)
	if err != nil {
		_ = unix.Unlinkat(dir, temp, 0)
	}
	return err
}

func readLinkAt(dir int, name string) (string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}
