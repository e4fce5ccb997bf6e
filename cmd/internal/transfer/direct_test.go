package transfer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/envelope"
)

// A file that is cut while it is read has changed, and is not one that was damaged; one that came
// so is.
func TestDirectPathOfAFileThatIsCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := file.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p := &DirectPath{in: in}
	cut := fmt.Errorf("chunk 3: %w", envelope.ErrTruncated)
	if err := p.explain(cut); err != cut {
		t.Errorf("as it came: %v", err)
	}
	if err := os.Truncate(path, 500); err != nil {
		t.Fatal(err)
	}
	if err := p.explain(cut); errors.Is(err, envelope.ErrTruncated) || exit.Code(err) != exit.Other {
		t.Errorf("cut meanwhile: %v", err)
	}
}
