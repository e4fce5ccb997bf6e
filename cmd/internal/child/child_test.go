package child

import (
	"testing"

	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/testkit"
	"github.com/envseal/envseal/cmd/internal/ui"
)

func TestChildProcess(t *testing.T) {
	testkit.BeChild(func() { proc.Catch(ui.HideProgress, ui.ReportProgress) })
}
