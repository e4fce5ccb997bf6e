//go:build !amd64

package secret

func clearVectors() {}
