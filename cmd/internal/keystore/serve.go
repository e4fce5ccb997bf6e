package keystore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/kmsclient/devserver"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "serve the keystore on loopback as AWS KMS does, for `aws`, boto3 and every SDK",
		Description: "Prints one line of shell that sets the endpoint and a credential made for this run, then serves until a signal:\n" +
			"  eval \"$(envseal keystore serve --pid-file kms.pid &)\"; aws kms list-keys; kill $(cat kms.pid)\n" +
			"Requests must be signed with that credential. Key policies and IAM are not enforced.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "addr", Value: "127.0.0.1:0",
				Usage: "loopback `ADDRESS` to listen on; port 0 takes a free one"},
			&cli.StringFlag{Name: "pid-file",
				Usage: "write the process id to `FILE`, for kill; it is removed in the end"},
			&cli.StringFlag{Name: "log", Usage: "append a JSON line for each call to `FILE`; - is stderr"},
			&cli.StringSliceFlag{Name: "deny", Usage: "answer this `OPERATION` with AccessDeniedException, to test least privilege (repeatable); ReEncrypt has two halves, ReEncryptFrom and ReEncryptTo"},
			&cli.StringFlag{Name: "faults", Usage: "misbehave on purpose, for tests: `OPERATION=KIND[:COUNT],...`, such as GenerateDataKey=throttle:2"},
		},
		Action: onStore(0, 0, func(c *cli.Context) storeWork {
			return serveOptions{
				addr:    c.String("addr"),
				pidFile: c.String("pid-file"),
				log:     c.String("log"),
				deny:    c.StringSlice("deny"),
				faults:  c.String("faults"),
			}.run
		}),
	}
}

type serveOptions struct {
	addr    string   // loopback
	pidFile string   // "" for none
	log     string   // "" for none, - for stderr
	deny    []string // operations
	faults  string   // as devserver.ParseFaults reads them
}

func (o serveOptions) run(ctx context.Context, s opened) error {
	faults, err := devserver.ParseFaults(o.faults)
	if err != nil {
		return exit.Errorf(exit.Usage, "", "--faults: %w", err)
	}
	how := devserver.Options{Faults: faults, Deny: o.deny}
	log, err := o.openLog(s.from)
	if err != nil {
		return err
	}
	if log != nil { // a line is one write, so that calls do not mix
		how.Log = func(call devserver.Call) { _ = json.NewEncoder(log).Encode(call) }
	}
	if log != os.Stderr {
		defer log.Close()
	}
	srv, err := devserver.New(s.Store, how)
	if err != nil {
		return exit.Errorf(exit.Usage, "", "%w", err)
	}
	ln, err := devserver.Listen(ctx, o.addr)
	if err != nil {
		return listenError(err)
	}
	if o.pidFile != "" {
		remove, err := o.writePID(s.from)
		if err != nil {
			ln.Close()
			return err
		}
		defer remove()
		defer proc.AtExit(remove)()
	}
	defer proc.Serving()()
	if err := announce(srv, ln); err != nil {
		ln.Close()
		return err
	}
	return srv.Serve(ctx, ln)
}

// openLog opens the file that gets a JSON line for each call, nil for none.
func (o serveOptions) openLog(from flags.Store) (*os.File, error) {
	switch o.log {
	case "":
		return nil, nil
	case "-":
		return os.Stderr, nil
	}
	log, err := file.Append(o.log, file.Guard(from.Files())...)
	if err != nil {
		return nil, exit.Errorf(exit.Output, "", "log: %w", err)
	}
	return log, nil
}

// listenError tells a port that is taken from an address that is not allowed.
func listenError(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return exit.Errorf(exit.Other, "use another port; port 0 takes a free one", "%w", err)
	}
	return exit.Errorf(exit.Usage, "use a loopback address such as --addr 127.0.0.1:8080", "%w", err)
}

// writePID writes the process id to its file. remove takes the file away, unless it is another
// process's by then.
func (o serveOptions) writePID(from flags.Store) (remove func(), err error) {
	text := fmt.Appendln(nil, os.Getpid())
	out, err := file.Create(o.pidFile, file.Options{
		Force: true, Perm: 0o644 &^ file.Umask(), NoSync: true,
		Inputs: file.Guard(file.NamedBy("log", o.log), from.Files()),
	})
	if err != nil {
		return nil, err
	}
	defer out.Abort()
	if _, err := out.Write(text); err != nil {
		return nil, err
	}
	if err := out.Commit(); err != nil {
		return nil, err
	}
	return func() {
		if now, err := os.ReadFile(o.pidFile); err == nil && bytes.Equal(now, text) {
			_ = os.Remove(o.pidFile)
		}
	}, nil
}

// announce prints the environment for clients, and lets go of stdout, for which `eval "$(... &)"`
// waits.
func announce(srv *devserver.Server, ln net.Listener) error {
	id, secret := srv.Credentials()
	if _, err := fmt.Fprintf(file.StdoutText(), "export AWS_ENDPOINT_URL_KMS=http://%s AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_REGION=%s AWS_DEFAULT_REGION=%[4]s\n",
		ln.Addr(), id, secret, srv.Region()); err != nil {
		return err
	}
	if ui.IsTerminal(os.Stdout) {
		ui.Note("serving on http://%s until Ctrl-C", ln.Addr())
		return nil
	}
	if ofShell(os.Stdout) {
		signal.Ignore(syscall.SIGINT)
	}
	return os.Stdout.Close()
}

// ofShell tells whether this process was put into the background by `eval "$(... &)"` at a prompt:
// it is in the shell's own process group then, which gets the Ctrl-C that is typed at the prompt to
// discard a line.
func ofShell(stdout *os.File) bool {
	info, err := stdout.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return false
	}
	return ui.InGroupOfSession() && unix.Getpgrp() != os.Getpid()
}
