// Package file holds the rules for files: inputs that are what they were when they were opened, and
// outputs that appear whole or not at all.
//
// All that the program reads or writes by a name that the user gave goes through it, for one file
// as for a million. It knows neither flags nor keys nor formats.
//
// It must never replace or remove what the user did not ask it to, show a file that is not whole,
// take a file to be safe before the disk says so, or look a name up again where it holds a
// descriptor.
//
// Start with Input (input.go) and Output (output.go; its two steps are in commit.go, and its temp
// file in temp.go). Dir (dir.go) is the directory through which both find their names. What differs
// between systems is in file_linux.go and other.go; what a system lacks is errors.ErrUnsupported
// there.
package file
