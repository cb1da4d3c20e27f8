import CFog

/// Extended attributes, of which a plain new folder has none.
package enum FolderAttributes {
    /// Whether an open file or folder has any; false where its file system knows none.
    package static func has(_ descriptor: Int32) -> Bool { fog_attribute_bytes(descriptor) > 0 }
}
