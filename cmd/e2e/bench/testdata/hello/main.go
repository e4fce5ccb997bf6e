// Command hello is the least that a Go program with a line of output does: the floor of every
// start-up.
package main

import "os"

func main() {
	os.Stdout.WriteString("hello\n")
}
