package cmd

import "golang.org/x/sys/unix"

// wholeFS are the file systems of which one sync brings all data and names of all files to the disk. It is not so where a server or another program does the writing.
var wholeFS = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.F2FS_SUPER_MAGIC: true,
	unix.TMPFS_MAGIC: true, unix.OVERLAYFS_SUPER_MAGIC: true,
}

// canSyncWhole tells whether syncWhole can stand for a sync of each file.
func canSyncWhole(fd int) bool {
	var st unix.Statfs_t
	err := retry(func() error { return unix.Fstatfs(fd, &st) })
	return err == nil && wholeFS[int64(st.Type)]
}

// syncWhole syncs the file system that fd lies on. Since Linux 5.8 it tells of failed writes.
func syncWhole(fd int) error { return unix.Syncfs(fd) }
