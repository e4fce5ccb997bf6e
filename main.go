// Command envseal seals files and streams by envelope encryption on AWS KMS. See README.md.
package main

import (
	"os"

	"github.com/envseal/envseal/cmd"
)

func main() {
	os.Exit(cmd.Main(os.Args))
}
