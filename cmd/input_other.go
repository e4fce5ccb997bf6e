//go:build !linux

package cmd

import "os"

func adviseSequential(*os.File) {}

func isGenerated(*os.File, os.FileInfo) bool { return false }

func isGeneratedFD(int, int64) bool { return false }

// umask is taken as strict: umask(2) can only tell it by changing it, which would race with files made meanwhile.
func umask() os.FileMode { return 0o077 }
