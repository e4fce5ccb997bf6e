package keystore

import (
	"encoding/json"
	"io"
	"os"
	"sync"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/kmsclient/devserver"
)

// callLog writes a JSON line for each call that the development server answered.
type callLog struct {
	mu sync.Mutex
	w  io.WriteCloser
}

func newCallLog(path string, own []file.Guarded) (*callLog, error) {
	switch path {
	case "":
		return &callLog{}, nil
	case "-":
		return &callLog{w: os.Stderr}, nil
	}
	f, err := file.Append(path, own...)
	if err != nil {
		return nil, exit.Errorf(exit.Output, "", "log: %w", err)
	}
	return &callLog{w: f}, nil
}

func (l *callLog) write(call devserver.Call) {
	if l.w == nil {
		return
	}
	line, err := json.Marshal(call)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.w.Write(append(line, '\n'))
}

func (l *callLog) close() {
	if l.w != nil && l.w != os.Stderr {
		l.w.Close()
	}
}
