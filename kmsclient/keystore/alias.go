package keystore

import (
	"context"
	"time"

	"github.com/envseal/envseal/kmsclient"
)

// CreateAlias gives a key another name, which starts with "alias/".
func (s *Store) CreateAlias(ctx context.Context, name, targetKeyID string) error {
	return s.changeAlias(ctx, "CreateAlias", name, func(st *state, now time.Time) error {
		if err := checkAliasName(name); err != nil {
			return err
		}
		if st.aliases[name] != nil {
			return refuse(kmsclient.ErrAlreadyExists, "An alias with the name %s already exists",
				localARN(name))
		}
		if len(st.aliases) >= maxAliases {
			return limitExceeded("aliases", maxAliases)
		}
		target, err := st.aliasTarget(targetKeyID)
		if err != nil {
			return err
		}
		st.aliases[name] = &alias{Name: name, Target: target, Created: now, Updated: now}
		return nil
	})
}

// UpdateAlias moves an alias to another key.
func (s *Store) UpdateAlias(ctx context.Context, name, targetKeyID string) error {
	return s.changeAlias(ctx, "UpdateAlias", name, func(st *state, now time.Time) error {
		a, err := st.findAlias(name)
		if err != nil {
			return err
		}
		target, err := st.aliasTarget(targetKeyID)
		if err != nil {
			return err
		}
		a.Target, a.Updated = target, now
		return nil
	})
}

// DeleteAlias takes a name away. The key stays.
func (s *Store) DeleteAlias(ctx context.Context, name string) error {
	return s.changeAlias(ctx, "DeleteAlias", name, func(st *state, _ time.Time) error {
		if _, err := st.findAlias(name); err != nil {
			return err
		}
		delete(st.aliases, name)
		return nil
	})
}

func (s *Store) changeAlias(ctx context.Context, op, name string,
	apply func(*state, time.Time) error) (err error) {
	defer complete(&err, op, name)
	return s.change(ctx, 0, apply)
}

// aliasTarget is the id of the key that an alias is to stand for: named by id or ARN, in any state
// but PendingDeletion.
func (st *state) aliasTarget(keyID string) (string, error) {
	k, err := st.resolveID(keyID)
	if err != nil {
		return "", err
	}
	return k.ID, k.checkNotPending()
}

// ListAliases lists the aliases of a key (named by id or key ARN) or, without one, all; sorted by
// name.
func (s *Store) ListAliases(ctx context.Context,
	keyID string) (out []kmsclient.AliasEntry, err error) {
	defer complete(&err, "ListAliases", keyID)
	st, err := s.enter(ctx, kmsclient.Options{})
	if err != nil {
		return nil, err
	}
	defer s.release(st)
	var only *key
	if keyID != "" {
		if only, err = st.resolveID(keyID); err != nil {
			return nil, err
		}
	}
	for _, a := range st.sortedAliases() {
		if only == nil || a.Target == only.ID {
			out = append(out, kmsclient.AliasEntry{Name: a.Name, ARN: localARN(a.Name),
				TargetKeyID: a.Target, CreatedAt: a.Created, UpdatedAt: a.Updated})
		}
	}
	return out, nil
}
