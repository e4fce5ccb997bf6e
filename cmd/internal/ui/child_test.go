package ui

import (
	"testing"

	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/testkit"
)

func TestChildProcess(t *testing.T) {
	testkit.BeChild(func() { proc.Catch(HideProgress, ReportProgress) })
}
