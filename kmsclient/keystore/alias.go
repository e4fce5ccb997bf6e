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
			return refuse(kmsclient.ErrAlreadyExists, codeAlreadyExists,
				"An alias with the name %s already exists", localARN(name))
		}
		if len(st.aliases) >= maxAliases {
			return limitExceeded("aliases", maxAliases)
		}
		target, err := st.aliasTarget(targetKeyID)
		if err != nil {
			return err
		}
		st.aliases[name] = &alias{target: target, created: now, updated: now}
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
		a.target, a.updated = target, now
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
	apply func(*state, time.Time) error) error {
	return named(op, name, s.change(ctx, 0, apply))
}

// aliasTarget is the id of the key that an alias is to name: given by id or ARN, in any state but
// PendingDeletion.
func (st *state) aliasTarget(keyID string) (string, error) {
	k, err := st.resolveID(keyID)
	if err != nil {
		return "", err
	}
	return k.id, k.checkNotPending()
}

// ListAliases lists the aliases of a key (named by id or key ARN), or all; sorted by name.
func (s *Store) ListAliases(ctx context.Context, keyID string) ([]kmsclient.AliasEntry, error) {
	st, err := s.enter(ctx, kmsclient.Options{})
	if err != nil {
		return nil, named("ListAliases", keyID, err)
	}
	defer s.release(st)
	only := ""
	if keyID != "" {
		k, err := st.resolveID(keyID)
		if err != nil {
			return nil, named("ListAliases", keyID, err)
		}
		only = k.id
	}
	var out []kmsclient.AliasEntry
	for _, name := range st.aliasNames() {
		a := st.aliases[name]
		if only == "" || a.target == only {
			out = append(out, kmsclient.AliasEntry{Name: name, ARN: localARN(name), TargetKeyID: a.target,
				CreatedAt: a.created, UpdatedAt: a.updated})
		}
	}
	return out, nil
}
