//! Folders as layouts: splits of class folders, a table among files, class folders.

use std::collections::BTreeMap;
use std::path::Path;

use super::walk::{Entry, Listing, Seen, images_below, list};
use super::{Found, FoundImage, Layout, OpenOptions, Split, table};
use crate::DataError;

/// A folder and the images below it.
type ClassFolder = (String, Vec<Entry>);

pub(super) fn find(root: &Path, options: &OpenOptions) -> Result<Found, DataError> {
    let listing = list(root, "")?;
    let splits = split_folders(&listing)?;
    if let Some(found) = find_splits(root, &listing, &splits)? {
        return Ok(found);
    }
    let mut seen = Seen::default();
    let classes = class_folders(&listing, &mut seen)?;
    let named_as_splits =
        !classes.is_empty() && classes.iter().all(|(name, _)| Split::parse(name).is_some());
    let tables = tables_in(&listing)?;
    if classes.len() < 2 || named_as_splits {
        match tables.as_slice() {
            [] => {}
            [table] => return table::find(&table.path),
            _ => {
                let tables = tables.iter().map(|t| t.name.clone()).collect();
                return Err(DataError::SeveralTables { tables });
            }
        }
    }
    if named_as_splits {
        let folders = classes.into_iter().map(|(name, _)| name).collect();
        return Err(DataError::SplitsWithoutClasses { path: root.to_path_buf(), folders });
    }
    if classes.len() < 2 {
        check_meant(root, &listing, &classes, options)?;
    }
    let (used, others): (Vec<Entry>, Vec<Entry>) =
        listing.files.into_iter().partition(|file| tables.contains(file));
    seen.ignored_tables.extend(used.into_iter().map(|table| table.name));
    seen.loose(&others);
    let mut images = Vec::new();
    push(&mut images, classes, Split::Train);
    let (root, layout) = (root.to_path_buf(), Layout::ClassFolders);
    Ok(Found { root, layout, images, split_names: Vec::new(), notes: Vec::new(), seen })
}

/// Says what was found where fewer than two class folders are; a data set with none of anything
/// is left to the general check.
fn check_meant(
    root: &Path,
    listing: &Listing,
    classes: &[ClassFolder],
    options: &OpenOptions,
) -> Result<(), DataError> {
    let loose = listing.files.iter().filter(|file| file.is_image()).count();
    match classes {
        [(class, _)] => {
            let below = root.join(class);
            let inner = class_folders(&list(&below, class)?, &mut Seen::default())?;
            let inner = (inner.len() >= 2).then_some(below);
            if inner.is_none() && !options.training {
                return Ok(());
            }
            Err(DataError::OneClass { class: class.clone(), inner })
        }
        _ if loose > 0 => Err(DataError::NoLayout {
            path: root.to_path_buf(),
            images: loose,
            folders: classes.iter().map(|(name, _)| name.clone()).collect(),
        }),
        _ => Ok(()),
    }
}

/// Folders with images below them, in order; the others are remembered as empty.
fn class_folders(listing: &Listing, seen: &mut Seen) -> Result<Vec<ClassFolder>, DataError> {
    let mut classes = Vec::new();
    for folder in &listing.folders {
        let images = images_below(folder, seen)?;
        if images.is_empty() {
            seen.empty_folders.push(folder.name.clone());
        } else {
            classes.push((folder.last().to_owned(), images));
        }
    }
    Ok(classes)
}

/// Folders whose names are words for splits.
fn split_folders(listing: &Listing) -> Result<BTreeMap<Split, Entry>, DataError> {
    let mut splits: BTreeMap<Split, Entry> = BTreeMap::new();
    for folder in &listing.folders {
        let Some(split) = Split::parse(folder.last()) else { continue };
        if let Some(first) = splits.insert(split, folder.clone()) {
            let second = folder.path.clone();
            return Err(DataError::SplitTwice { split, first: first.path, second });
        }
    }
    Ok(splits)
}

/// The layout of splits, if `train` holds class folders and is the only folder or beside another
/// split: a class may be called `train`.
fn find_splits(
    root: &Path,
    listing: &Listing,
    splits: &BTreeMap<Split, Entry>,
) -> Result<Option<Found>, DataError> {
    if !splits.contains_key(&Split::Train) || (splits.len() == 1 && listing.folders.len() > 1) {
        return Ok(None);
    }
    let mut seen = Seen::default();
    let mut images = Vec::new();
    let mut split_names = Vec::new();
    // In the order of `Split`: `train` first.
    for (split, folder) in splits {
        let inside = list(&folder.path, &folder.name)?;
        let classes = class_folders(&inside, &mut seen)?;
        if classes.is_empty() {
            if *split == Split::Train {
                return Ok(None);
            }
            let loose = inside.files.iter().filter(|file| file.is_image()).count();
            seen.splits_without_classes.push((folder.name.clone(), loose));
            continue;
        }
        seen.loose(&inside.files);
        push(&mut images, classes, *split);
        split_names.push(folder.name.clone());
    }
    seen.loose(&listing.files);
    let beside = listing.folders.iter().filter(|f| Split::parse(f.last()).is_none());
    seen.ignored_folders.extend(beside.map(|folder| folder.name.clone()));
    let (root, layout) = (root.to_path_buf(), Layout::SplitFolders);
    Ok(Some(Found { root, layout, images, split_names, notes: Vec::new(), seen }))
}

fn push(images: &mut Vec<FoundImage>, classes: Vec<ClassFolder>, split: Split) {
    for (class, entries) in classes {
        let class_images = entries.into_iter().map(|entry| FoundImage {
            path: entry.path,
            name: entry.name,
            labels: vec![class.clone()],
            split,
        });
        images.extend(class_images);
    }
}

fn tables_in(listing: &Listing) -> Result<Vec<Entry>, DataError> {
    let mut tables = Vec::new();
    for file in &listing.files {
        if table::is_table(&file.path) && table::has_columns(&file.path)? {
            tables.push(file.clone());
        }
    }
    Ok(tables)
}
