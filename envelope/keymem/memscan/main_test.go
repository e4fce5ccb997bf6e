//go:build !secrets

package memscan

import (
	"os"
	"testing"

	"github.com/envseal/envseal/internal/testhome"
)

func TestMain(m *testing.M) { os.Exit(testhome.Run(m.Run)) }
