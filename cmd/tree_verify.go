package cmd

import (
	"context"
	"io"
)

// verifyTree authenticates the files of a tree.
type verifyTree struct{ openTree }

func (v *verifyTree) verb() string { return verbVerify }

func (v *verifyTree) target(string) (string, error) { return "", nil }

func (v *verifyTree) stream(ctx context.Context, _ io.Writer, src io.Reader, in *input, alone bool) error {
	return v.opening.sharing(alone).authenticate(ctx, src, in)
}

// checked tells of a file that is authentic.
func (w *treeWorker) checked(f *treeFile) error {
	if !w.quiet {
		if err := sayOK(f.path()); err != nil {
			return err
		}
	}
	w.finished(f)
	return nil
}

// flushChecked writes the log of what was verified, which waits for nothing more.
func (w *treeWorker) flushChecked() {
	if w.reads {
		w.log.flushed()
	}
}
