package tree

import (
	"context"
	"strings"
	"syscall"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
)

// A full disk stops the run; what is said then counts in English.
func TestStoppedSum(t *testing.T) {
	for done, want := range map[int64]string{1: "stopped: 1 file is done, 1 failed, ",
		2: "stopped: 2 files are done, 1 failed, "} {
		run := &treeRun{ctx: context.Background()}
		run.done.Store(done)
		run.fatal, run.failed = syscall.ENOSPC, 1
		err := run.result()
		if err == nil || !strings.HasPrefix(err.Error(), want) || exit.Code(err) != exit.Some {
			t.Errorf("%d done: %v", done, err)
		}
	}
}
