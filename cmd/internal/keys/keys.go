// Package keys leads from what a command line says of keys to what the commands work with.
//
// A reference to a key becomes a key service and the id of the key there (references.go, by the
// Services of services.go), and from these a recipient, a destination or part of a policy. The
// values of -c become an encryption context (context.go), and the files of -r and --data-key
// recipients and data keys (keyfile.go). advice.go says what was more likely meant by a reference
// that leads nowhere, and process.go keeps keys in the memory of the process.
//
// It opens files for reading only, and makes no call to a key service but to find a key or its
// Region, and for the data key of --data-key. Start at Services.Resolve.
package keys
