//! The order of steps: who needs whom, and circles in it.

use crate::definition::Step;

/// A circle in `needs`, as step indices in order, if there is one.
#[must_use]
pub fn find_cycle(needs: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut done = vec![false; needs.len()];
    for start in 0..needs.len() {
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((node, next)) = path.last_mut() {
            if done[*node] {
                path.pop();
                continue;
            }
            let Some(&needed) = needs[*node].get(*next) else {
                done[*node] = true;
                path.pop();
                continue;
            };
            *next += 1;
            if let Some(from) = path.iter().position(|(node, _)| *node == needed) {
                return Some(path[from..].iter().map(|(node, _)| *node).collect());
            }
            path.push((needed, 0));
        }
    }
    None
}

/// For every step, whether each other step has always ended when it starts. `needs` is acyclic.
#[must_use]
pub fn ended_before(steps: &[Step]) -> Vec<Vec<bool>> {
    let mut before = vec![vec![false; steps.len()]; steps.len()];
    let mut settled = vec![false; steps.len()];
    // A pass settles every step whose needs are settled; an acyclic graph needs at most one pass
    // for each step.
    for _ in 0..steps.len() {
        for (index, step) in steps.iter().enumerate() {
            if settled[index] || !step.needs.iter().all(|need| settled[*need]) {
                continue;
            }
            for need in &step.needs {
                let inherited = before[*need].clone();
                for (slot, value) in before[index].iter_mut().zip(inherited) {
                    *slot |= value;
                }
                before[index][*need] = true;
            }
            settled[index] = true;
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_circle_and_nothing_else() {
        assert_eq!(find_cycle(&[vec![], vec![0], vec![0, 1], vec![2, 1]]), None);
        assert_eq!(find_cycle(&[vec![], vec![0, 3], vec![1], vec![2]]), Some(vec![1, 3, 2]));
        assert_eq!(find_cycle(&[vec![0]]), Some(vec![0]));
    }
}
