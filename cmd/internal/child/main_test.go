package child

import (
	"os"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

func TestMain(m *testing.M) { os.Exit(testhome.Run(m.Run)) }
