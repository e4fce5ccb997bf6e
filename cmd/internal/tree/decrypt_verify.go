package tree

import (
	"fmt"
	"os"

	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// SayOK prints the line for a file that is authentic.
func SayOK(name string) error {
	if ui.IsTerminal(os.Stdout) {
		defer ui.HoldProgress()()
	}
	_, err := fmt.Fprintf(file.StdoutText(), "%s: OK\n", ui.ShownInput(name))
	return err
}
