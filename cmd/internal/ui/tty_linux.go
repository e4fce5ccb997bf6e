package ui

import "golang.org/x/sys/unix"

// The ioctls behind tcgetattr and tcsetattr. What was typed ahead is kept: scripts answer before
// they are asked.
const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
)
